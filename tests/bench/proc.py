"""What processes cost, read from /proc; and terminals to run them in."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

TICKS = os.sysconf("SC_CLK_TCK")


def stat(pid):
    # Names of processes are any bytes.
    with open(f"/proc/{pid}/stat", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def cpu_seconds(pid):
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def reaped_cpu_seconds(pid):
    """Of children that ended: a monitor that starts programs in its loop shows here."""
    fields = stat(pid)
    return (int(fields[13]) + int(fields[14])) / TICKS


def pss_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1]) / 1024


def threads(pid):
    return int(stat(pid)[17])


def children(pid):
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and int(stat(name)[1]) == pid:
                found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def processes():
    return sum(name.isdigit() for name in os.listdir("/proc"))


def load():
    return os.getloadavg()[0]


class Tmux:
    """A tmux server of its own with one program in a terminal of 200x50; its output is counted."""

    def __init__(self, name, argv, folder, env):
        self.socket = f"mltop-bench-{os.getpid()}-{name}"
        self.log = os.path.join(folder, name + ".out")
        words = " ".join(f"{key}='{value}'" for key, value in env.items())
        command = f"exec env LC_ALL=C.UTF-8 COLORTERM=truecolor {words} " + " ".join(argv)
        # Held until the pipe is there, so that the first bytes are counted too.
        gate = os.path.join(folder, name + ".go")
        wait = f"while [ ! -e {gate} ]; do sleep 0.05; done; {command}"
        self.call("-f", "/dev/null", "new-session", "-d", "-x", "200", "-y", "50", wait)
        self.call("set", "-g", "status", "off")
        self.call("resize-window", "-x", "200", "-y", "50")
        self.call("pipe-pane", "-o", f"exec cat > {self.log}")
        open(gate, "w").close()
        self.pid = int(self.call("display-message", "-p", "#{pane_pid}"))

    def call(self, *words):
        done = subprocess.run(["tmux", "-L", self.socket, *words], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"tmux {words}: {done.stderr.strip()}")
        return done.stdout.strip()

    def bytes(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def screen(self):
        return self.call("capture-pane", "-p")

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True)


class Mute:
    """A terminal of 200x50 that answers no question of the program in it."""

    def __init__(self, argv, env):
        self.began = time.monotonic()
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.environ.update(env, TERM="xterm-256color", LC_ALL="C.UTF-8", COLORTERM="truecolor")
            os.execvp(argv[0], argv)
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))

    def read(self, seconds):
        """What it wrote, as soon as it wrote anything; empty at the end of the time."""
        if not select.select([self.end], [], [], max(0.0, seconds))[0]:
            return b""
        try:
            return os.read(self.end, 1 << 16)
        except OSError:
            return b""

    def close(self):
        try:
            os.kill(self.pid, signal.SIGTERM)
            for _ in range(100):
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    break
                self.read(0.01)
            else:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        finally:
            os.close(self.end)


PIECE = re.compile(rb"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[()].|\x1b.|([\n\r])|([^\x1b\n\r]+)")


def filled_rows(output):
    """Rows of a screen that have something on them after this output."""
    row, rows = 1, set()
    for numbers, final, line, text in PIECE.findall(output):
        first = int(numbers.split(b";")[0] or 1) if re.fullmatch(rb"[0-9;]*", numbers) else 1
        if final in (b"H", b"f", b"d"):
            row = first
        elif final == b"B":
            row += first
        elif final == b"A":
            row -= first
        elif line == b"\n":
            row += 1
        elif text.strip():
            rows.add(row)
    return len(rows)


def first_frame_ms(argv, env, deadline=5.0):
    """Milliseconds from start to 15 rows with something on them; None where it took too long."""
    terminal, output = Mute(argv, env), b""
    try:
        while (age := time.monotonic() - terminal.began) < deadline:
            output += terminal.read(deadline - age)
            if filled_rows(output) >= 15:
                return (time.monotonic() - terminal.began) * 1e3
    finally:
        terminal.close()
    return None
