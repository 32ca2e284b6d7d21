// Package cgroup bounds what a group of processes uses of processors, memory and process IDs, by
// control groups of version 1 or 2.
//
// Groups are made directly in the hierarchies, below /pizzeria, as root. Memory that is bounded is
// bounded with swap. What a kernel lacks is not enforced: Enforced says what is.
package cgroup
