#!/bin/sh
# opsd fleet policy under its contract name (contract 70).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='fleet policy'
. "${self%/*}/lib/opsd-door.sh"
