#!/bin/sh
# opsd promotion ci under its contract name (contract 90, B).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='promotion ci'
. "${self%/*}/lib/opsd-door.sh"
