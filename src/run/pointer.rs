//! The terminal library's pointer as mltop's.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::app::Press;

/// What the pointer does, where mltop has a use for it. Terminals without a wheel that tilts tell a
/// wheel with Shift; to some hands and terminals a second button is the first with Ctrl.
pub(super) fn press(event: MouseEvent) -> Option<Press> {
    let aside = event.modifiers.contains(KeyModifiers::SHIFT);
    let second = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.kind {
        MouseEventKind::Down(MouseButton::Right) => Press::Grasp,
        MouseEventKind::Drag(MouseButton::Right) => Press::Stretch,
        MouseEventKind::Down(MouseButton::Left) if second => Press::Grasp,
        MouseEventKind::Drag(MouseButton::Left) if second => Press::Stretch,
        MouseEventKind::Up(_) => Press::Release,
        MouseEventKind::Down(MouseButton::Left) => Press::Click,
        MouseEventKind::Drag(MouseButton::Left) => Press::Drag,
        MouseEventKind::ScrollUp if aside => Press::WheelLeft,
        MouseEventKind::ScrollDown if aside => Press::WheelRight,
        MouseEventKind::ScrollUp => Press::WheelUp,
        MouseEventKind::ScrollDown => Press::WheelDown,
        MouseEventKind::ScrollLeft => Press::WheelLeft,
        MouseEventKind::ScrollRight => Press::WheelRight,
        MouseEventKind::Down(_) | MouseEventKind::Drag(_) | MouseEventKind::Moved => return None,
    })
}
