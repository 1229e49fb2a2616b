"""Tickets to take away: weights, mask and card as files, smaller networks, ONNX, and what is saved."""

from open_lth.export.loading import FORMS, Ticket, load_ticket

__all__ = ["FORMS", "Ticket", "load_ticket"]
