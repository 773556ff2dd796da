#!/bin/sh
# opsd fleet status under its contract name (contract 75).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='fleet status'
. "${self%/*}/lib/opsd-door.sh"
