//! The terminal: taken over on start, given back on every way out.

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crossterm::{cursor, execute, style, terminal};

/// Whether the terminal is ours now. One process has one terminal, and the panic hook must know.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Presses, drags and the wheel are told, in a form for any size of terminal; not each movement, which
/// over a thin link would cost more than the screen.
const TELL_MOUSE: &str = "\x1b[?1002h\x1b[?1006h";
const LEAVE_MOUSE: &str = "\x1b[?1006l\x1b[?1002l";

/// The terminal while it is ours: raw, on the alternate screen, without a cursor.
#[derive(Debug)]
pub struct Taken {
    mouse: bool,
}

impl Taken {
    /// Takes the terminal over, with its mouse or without. A panic of this thread gives it back before
    /// its message is printed. One of another is told to `elsewhere` and not printed: the screen, which
    /// this thread goes on painting, would be torn by it.
    pub fn take(
        mouse: bool,
        elsewhere: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let earlier = std::panic::take_hook();
        let own = thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            if thread::current().id() != own && TAKEN.load(Ordering::SeqCst) {
                return elsewhere(panic);
            }
            give_back();
            earlier(panic);
        }));
        take_over(mouse)?;
        Ok(Self { mouse })
    }

    /// Gives the terminal back for a while, as before a suspend.
    pub fn release(&self) {
        give_back();
    }

    /// Takes it over again.
    pub fn retake(&self) -> io::Result<()> {
        take_over(self.mouse)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

fn take_over(mouse: bool) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(
        io::stdout(),
        terminal::EnterAlternateScreen,
        terminal::DisableLineWrap,
        terminal::Clear(terminal::ClearType::All),
        cursor::Hide
    )?;
    if mouse { execute!(io::stdout(), style::Print(TELL_MOUSE)) } else { Ok(()) }
}

fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing can be done about a terminal that is gone; the shell sets up its own.
        let _ = execute!(
            io::stdout(),
            // Also where it was not asked for: a terminal that tells nothing takes no harm.
            style::Print(LEAVE_MOUSE),
            style::ResetColor,
            terminal::EnableLineWrap,
            cursor::Show,
            terminal::LeaveAlternateScreen
        );
        let _ = terminal::disable_raw_mode();
    }
}

/// Whether there is a terminal to draw on and to read keys from.
pub fn is_there() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// Standard output, gathered so that a frame is one write, and counted: the bytes to a thin link are
/// part of what mltop costs.
#[derive(Debug)]
pub struct Counted {
    buffer: Vec<u8>,
    written: Arc<AtomicU64>,
}

impl Counted {
    /// A writer whose bytes are added to `written`.
    pub fn new(written: Arc<AtomicU64>) -> Self {
        Self { buffer: Vec::with_capacity(16 << 10), written }
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        let result = stdout.write_all(&self.buffer).and_then(|()| stdout.flush());
        self.written.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        self.buffer.clear();
        // One large frame must not be paid for ever.
        self.buffer.shrink_to(64 << 10);
        result
    }
}
