#!/bin/sh
# opsd fleet handoff under its contract name (contract 80).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='fleet handoff'
. "${self%/*}/lib/opsd-door.sh"
