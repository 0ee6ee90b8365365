//! One command, isolated: namespaces, overlay workspace, seccomp, Landlock, limits, whole-tree kill.
