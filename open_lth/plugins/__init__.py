"""Plugins, and the registries that they add to."""

from open_lth.plugins.loading import LoadedPlugin, Plugin, load
from open_lth.plugins.registries import REGISTRIES

__all__ = ["REGISTRIES", "LoadedPlugin", "Plugin", "load"]
