//! The box: CPU, memory, pressure, control groups, disks, networks, processes.
