#!/bin/sh
# opsd alerts resolve under its contract name (contract 50, 3).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='alerts resolve'
. "${self%/*}/lib/opsd-door.sh"
