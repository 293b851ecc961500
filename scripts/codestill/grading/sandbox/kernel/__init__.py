"""What the kernel holds candidates back with: namespaces, Landlock, seccomp, and the system calls that set them up."""
