# Sourced by every ops-manager-*.sh with $self (its own path, links resolved) and $opsd_command.
# $opsd_command may be two words (fleet registry), so it is split on purpose.
# Runs the command with the checkout's environment, else with an installed opsd. Starts no process of its own.
case $self in /*) ;; *) self=$PWD/$self ;; esac
OPSD_INSTALL_ROOT=${self%/*}/..
export OPSD_INSTALL_ROOT
if [ -x "$OPSD_INSTALL_ROOT/.venv/bin/python" ]; then
  exec "$OPSD_INSTALL_ROOT/.venv/bin/python" "$OPSD_INSTALL_ROOT/scripts/lib/opsd_door.py" $opsd_command "$@"
elif command -v opsd >/dev/null; then
  exec opsd $opsd_command "$@"
fi
echo "error: no environment: run 'make install' in $OPSD_INSTALL_ROOT, or put an installed opsd on PATH" >&2
exit 1
