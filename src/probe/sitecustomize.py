"""The probe that `mltop run` puts beside a training: it counts the batches and times the waits of
PyTorch loaders, and publishes both in a file that only its owner can read.

Python imports it at its start, because `mltop run` puts its folder in front of PYTHONPATH. It then
takes the folder out of `sys.path` again, leaves one import hook for `torch.utils.data.dataloader`,
and makes way for the `sitecustomize` that would have been imported without it, if there is one.
It prints nothing, and where anything is not as expected it is as if it were not there.

The file `$MLTOP_DIR/PID.loaders` is a page of native 64-bit words, written by its process alone:

    header   "mltopdl1", pid, start (clock ticks since boot), slots used, iterators without a slot
    slot n   at 512 * (n + 1), n from 0 to 14:
             sequence (odd while the slot is written), enter_ns (0 outside of `__next__`, and while that
             stops the workers of an epoch that is over), leave_ns,
             batches, wait_ns, ready, stash, loader (from 1), iterators, batches before this iterator,
             workers, prefetch_factor, batch_size, flags (1 pinned, 2 persistent, 4 the iterator
             ended), native id of the thread, bytes of the name, the name (the dataset's class) in
             128 bytes, and from byte 256 on the pids of the first 64 workers in 32 bits each

`ready` and `stash` are as of `leave_ns`: finished batches that the loop had not taken, and of those
the ones that came before their turn; all ones where that is not known. Times are CLOCK_MONOTONIC.
A slot is one loader: the iterators of its epochs follow each other in it and go on with its counts.

Every Python must be able to read this text, even one too old for the probe.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.environ.get("MLTOP_DIR", "")
TARGET = "torch.utils.data.dataloader"
PAGE, SLOTS, SLOT, NAME, WORKERS = 8192, 15, 512, 128, 64
UNKNOWN = (1 << 64) - 1
ENDED = 4
# Grows in each forked child: what its parent opened is not its own.
generation = 0
page = None


class Finder(object):
    """Wraps the loaders' iterator as soon as its module has been executed, and is gone then."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != TARGET:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not cls else None
            if spec is not None:
                cls.wrap(spec)
                return spec
        return None

    @classmethod
    def wrap(cls, spec):
        try:
            sys.meta_path.remove(cls)
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                try:
                    patch(module)
                except Exception:
                    pass

            spec.loader.exec_module = exec_module
        except Exception:
            pass


class State(object):
    """What the steps of one iterator need."""

    __slots__ = ("generation", "words", "seq", "batches", "wait", "limit", "count")


class Held(object):
    """A loader in its slot."""

    __slots__ = ("key", "loader", "iterators", "iterator", "state")

    def free(self):
        """Whether the iterator that had it last is gone or at its end."""
        iterator = self.iterator()
        return iterator is None or id(iterator.__dict__.get("_mltop")) != self.state


class Page(object):
    """The file of this process, and which loader has which slot."""

    def __init__(self):
        self.pid = os.getpid()
        self.map = open_page(self.pid)
        self.words = memoryview(self.map).cast("Q")
        self.held = {}
        self.loaders = 0

    def place(self, key):
        """The slot for a new iterator: that of its loader, a fresh one, or the longest unused."""
        free = [n for n, held in self.held.items() if held.free()]
        for n in free:
            if self.held[n].key == key:
                return n
        if len(self.held) < SLOTS:
            return len(self.held)
        return min(free, key=lambda n: self.words[word(n) + 2]) if free else None

    def take(self, iterator):
        """Describes a new iterator in its slot, and gives what its steps need."""
        import weakref
        from array import array

        sampler = getattr(iterator, "_index_sampler", None)
        workers = whole(getattr(iterator, "_num_workers", 0))
        batch_size = whole(getattr(sampler, "batch_size", 0))
        key = (id(iterator._dataset), type(iterator._dataset), workers, batch_size)
        n = self.place(key)
        if n is None:
            self.words[4] += 1
            return None
        held = self.held.get(n)
        former = held
        if held is None or held.key != key:
            self.loaders += 1
            held = self.held[n] = Held()
            held.key, held.loader, held.iterators = key, self.loaders, 0
        held.iterators += 1
        state = State()
        words = state.words = self.words[word(n):word(n + 1)]
        state.generation, state.seq = generation, words[0] // 2 * 2
        state.batches, state.wait = (words[3], words[4]) if held is former else (0, 0)
        state.limit, state.count = counter(iterator)
        held.iterator, held.state = weakref.ref(iterator), id(state)
        flags = 1 if getattr(iterator, "_pin_memory", False) else 0
        flags |= 2 if getattr(iterator, "_persistent_workers", False) else 0
        name = type(iterator._dataset).__name__.encode("utf-8", "replace")[:NAME]
        words[0] = state.seq + 1
        told = [0, words[2], state.batches, state.wait, UNKNOWN, UNKNOWN, held.loader, held.iterators]
        told += [state.batches, workers, whole(getattr(iterator, "_prefetch_factor", 0)), batch_size]
        told += [flags, thread_id(), len(name)]
        for at, value in enumerate(told, 1):
            words[at] = value
        pids = [whole(one.pid) for one in (getattr(iterator, "_workers", None) or ())][:WORKERS]
        rest = name.ljust(NAME, b"\0") + array("I", pids + [0] * (WORKERS - len(pids))).tobytes()
        start = SLOT * (n + 1) + NAME
        self.map[start:start + len(rest)] = rest
        state.seq = words[0] = state.seq + 2
        self.words[3] = len(self.held)
        return state


def word(n):
    """Where slot n begins, in words."""
    return SLOT // 8 * (n + 1)


def whole(value):
    """A count; 0 for anything that is none."""
    return value if isinstance(value, int) and 0 <= value < 1 << 32 else 0


def thread_id():
    import _thread

    return getattr(_thread, "get_native_id", int)()


def counter(iterator):
    """What tells how many finished batches are in the iterator's queue: the count's distance from a
    limit. The queue of a loader that pins is one of threads, any other's has a semaphore that falls
    with each batch. A limit of None: it has no queue, or one of another kind."""
    try:
        if not hasattr(iterator._task_info, "get") or not hasattr(iterator, "_tasks_outstanding"):
            return None, None
        queue = iterator._data_queue
        if hasattr(queue, "_sem"):
            return queue._maxsize, queue._sem._semlock._get_value
        return 0, queue.queue.__len__
    except Exception:
        return None, None


def open_page(pid):
    """A new file with the header in it. Raises where the folder is not this user's alone."""
    import mmap
    import stat
    import struct

    with open("/proc/self/stat", "rb") as file:
        start = int(file.read().rsplit(b")", 1)[1].split()[19])
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | flags)
    try:
        found = os.fstat(folder)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise OSError("not this user's alone")
        name = "%d.loaders" % pid
        try:
            os.unlink(name, dir_fd=folder)
        except OSError:
            pass
        flags |= os.O_RDWR | os.O_CREAT | os.O_EXCL
        file = os.open(name, flags, 0o600, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        # Without room behind it, a store into the page would be a deadly signal.
        os.posix_fallocate(file, 0, PAGE)
        newer = {"trackfd": False} if sys.version_info >= (3, 13) else {}
        mapped = mmap.mmap(file, PAGE, **newer)
    finally:
        os.close(file)
    struct.pack_into("@8s4Q", mapped, 0, b"mltopdl1", pid, start, 0, 0)
    return mapped


def begin(iterator):
    """The state of an iterator's first step; one without words where it cannot be published."""
    global page
    state = None
    try:
        if page is None or page.pid != os.getpid():
            page = None
            page = Page()
        state = page.take(iterator)
    except Exception:
        pass
    if state is None:
        state = State()
        state.generation, state.words = generation, None
    iterator.__dict__["_mltop"] = state
    return state


def finish(iterator, state, left, ended):
    """A step that gives no batch: the end of its wait, or of what came after it."""
    try:
        words = state.words
        entered = words[1]
        words[0] = state.seq + 1
        if entered:
            state.wait += left - entered
            words[1], words[2], words[4] = 0, left, state.wait
        if ended:
            # The next epoch of an iterator that lives on begins anew, in the same slot.
            words[5], words[6], words[13] = UNKNOWN, UNKNOWN, words[13] | ENDED
            iterator.__dict__.pop("_mltop", None)
        state.seq = words[0] = state.seq + 2
    except Exception:
        pass


def forked():
    global generation, page
    generation += 1
    page = None


def patch(module):
    """Puts a `__next__` that counts around that of the iterators."""
    import struct
    import time

    base = module._BaseDataLoaderIter
    several = module._MultiProcessingDataLoaderIter
    following, stopping = base.__next__, several._shutdown_workers
    now = time.monotonic_ns
    # In native order each word is one store: a reader never sees half of one.
    write = struct.Struct("@7Q").pack_into
    os.register_at_fork(after_in_child=forked)

    def __next__(self):
        entered = now()
        try:
            state = self._mltop
        except AttributeError:
            state = begin(self)
        if state.generation != generation:
            state = begin(self)
        words = state.words
        if words is None:
            return following(self)
        words[1] = entered
        try:
            batch = following(self)
        except BaseException as error:
            left = now()
            finish(self, state, left, isinstance(error, StopIteration))
            raise
        left = now()
        try:
            state.batches = batches = state.batches + 1
            state.wait = wait = state.wait + left - entered
            ready = stash = UNKNOWN
            if state.limit is not None:
                stash = len(self._task_info) - self._tasks_outstanding
                ready = abs(state.limit - state.count()) + stash
            seq = state.seq
            write(words, 0, seq + 1, 0, left, batches, wait, ready, stash)
            state.seq = words[0] = seq + 2
        except Exception:
            # Raised by what this frame called? Then by a signal's handler, and it is the script's.
            if sys.exc_info()[2].tb_next is not None:
                raise
        return batch

    def _shutdown_workers(self):
        # In `__next__` that is the end of an epoch: all its batches came, and nothing is waited for.
        try:
            state = self._mltop
            if state.generation == generation and state.words is not None and state.words[1]:
                finish(self, state, now(), False)
        except Exception:
            if sys.exc_info()[2].tb_next is not None:
                raise
        return stopping(self)

    base.__next__ = __next__
    several._shutdown_workers = _shutdown_workers


def install():
    if sys.version_info < (3, 8) or not FOLDER:
        return
    module = sys.modules.get(TARGET)
    if module is None:
        sys.meta_path.insert(0, Finder)
    else:
        patch(module)


def make_way():
    """Imports the `sitecustomize` that this one hides. Without one, the import fails as it would
    have without this file, and Python goes on without a word."""
    while HERE in sys.path:
        sys.path.remove(HERE)
    # Held, because Python 2 empties a module that nobody holds.
    held = sys.modules.pop("sitecustomize", None)
    __import__("sitecustomize")
    del held


try:
    install()
except Exception:
    pass
make_way()
