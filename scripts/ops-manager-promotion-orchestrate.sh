#!/bin/sh
# opsd promotion orchestrate under its contract name (contract 95).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='promotion orchestrate'
. "${self%/*}/lib/opsd-door.sh"
