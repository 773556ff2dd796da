#!/bin/sh
# opsd fleet registry under its contract name (contract 60, 2).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='fleet registry'
. "${self%/*}/lib/opsd-door.sh"
