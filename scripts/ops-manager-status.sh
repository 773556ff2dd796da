#!/bin/sh
# opsd status under its contract name (contract 40, 6).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=status
. "${self%/*}/lib/opsd-door.sh"
