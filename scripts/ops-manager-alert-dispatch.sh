#!/bin/sh
# opsd alerts dispatch under its contract name (contract 50, 4).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='alerts dispatch'
. "${self%/*}/lib/opsd-door.sh"
