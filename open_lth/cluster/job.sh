# What runs in a job, below the lines that say folder, patience and command: the command, which makes way before the
# job's time limit and goes on after it.
job="${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}"
job="${job:-$SLURM_JOB_ID}"
outcome="$folder/${job}_outcome.json"
timer=

requeue() { # unless Slurm is ending the job, and decides itself what becomes of it
    [[ "$(squeue --noheader --format=%T --jobs="$job")" =~ ^(RUNNING)?$ ]] && scontrol requeue "$job"
}

make_way() {
    trap '' USR1
    kill -TERM "$process"
    give_up_waiting &
    timer=$!
}

give_up_waiting() { # for a command that takes so long to save that Slurm would end the job first
    trap 'kill $!' TERM
    sleep "$patience" &
    wait $! && echo "warning: not saved within $patience s; the last checkpoint counts" && requeue
}

trap make_way USR1 # Slurm's signal before the time limit
trap : TERM        # which Slurm sends to the command as well
echo "job $job begins on $HOSTNAME, restart ${SLURM_RESTART_COUNT:-0}"
rm -f "$outcome" # of an earlier start, if somebody had a failed job requeued
"${command[@]}" &
process=$!
while kill -0 "$process" 2>/dev/null; do wait "$process"; done # which a signal interrupts
wait "$process"
code=$?
[[ $timer ]] && kill "$timer"

if [[ $code -eq 75 || ($code -ne 0 && $timer) ]]; then # torchrun ends with 1 whatever its ranks end with
    requeue
else
    echo "{\"exit_code\": $code}" >"$outcome"
fi
exit $code
