/* Reads every second what a monitor of processes has to read, and does nothing with it: the floor of
 * what mltop can cost. The list of /proc, the stat of every process, the few files of the box, and
 * for a number of processes their io and the schedstat of their first thread as well.
 *
 * usage: bare [processes that are read in detail]
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 16];

static void look(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    while (read(file, buffer, sizeof buffer) > 0) {
    }
    close(file);
}

static const char *const BOX[] = {
    "/proc/stat",        "/proc/meminfo",     "/proc/vmstat",          "/proc/diskstats",
    "/proc/net/dev",     "/proc/pressure/io", "/proc/pressure/memory", "/proc/pressure/cpu",
    "/proc/self/stat",
};

int main(int argc, char **argv) {
    int detailed = argc > 1 ? atoi(argv[1]) : 30;
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (;;) {
        DIR *folder = opendir("/proc");
        int seen = 0;
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char path[300];
            if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
                continue;
            snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
            look(path);
            if (seen++ >= detailed)
                continue;
            snprintf(path, sizeof path, "/proc/%s/io", entry->d_name);
            look(path);
            snprintf(path, sizeof path, "/proc/%s/schedstat", entry->d_name);
            look(path);
        }
        if (folder)
            closedir(folder);
        for (size_t at = 0; at < sizeof BOX / sizeof *BOX; at++)
            look(BOX[at]);
        due.tv_sec++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
}
