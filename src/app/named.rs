//! Actions by their names, for whoever knows what is wanted and not which key has it.

use super::action::Action;

impl Action {
    /// What it is called in the line that runs an action by its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Suspend => "suspend",
            Self::Redraw => "redraw",
            Self::Help => "help",
            Self::Pause => "pause",
            Self::ScrubLeft => "scrub back",
            Self::ScrubRight => "scrub forward",
            Self::ScrubFarLeft => "scrub far back",
            Self::ScrubFarRight => "scrub far forward",
            Self::StepBack => "tick back",
            Self::StepForward => "tick forward",
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::Start => "oldest",
            Self::Live => "now",
            Self::ZoomIn => "zoom in",
            Self::ZoomOut => "zoom out",
            Self::PrevFinding => "finding before",
            Self::NextFinding => "finding after",
            Self::Enter => "enter",
            Self::CopyAdvice => "copy advice",
            Self::Dismiss => "put aside",
            Self::Back => "back",
            Self::SelectUp => "row up",
            Self::SelectDown => "row down",
            Self::PageUp => "page up",
            Self::PageDown => "page down",
            Self::Expand => "expand",
            Self::Filter => "filter",
            Self::Sort => "sort",
            Self::Reverse => "reverse",
            Self::Flat => "tree",
            Self::Signal => "signal",
            Self::GpuMode => "gpu lane",
            Self::Bell => "bell",
            Self::Theme => "theme",
            Self::Screen(1) => "lanes",
            Self::Screen(2) => "gpus",
            Self::Screen(3) => "loaders",
            Self::Screen(4) => "processes",
            Self::Screen(5) => "findings",
            Self::Screen(_) => "host",
            Self::Mark => "mark",
            Self::Record => "record",
            Self::SaveLast => "save",
            Self::GoToTime => "go to time",
            Self::Command => "command",
        }
    }

    /// The actions that a text can mean: the one of this name, else those whose names begin with it,
    /// else those that have it in their names.
    pub fn meant_by(text: &str) -> Vec<Self> {
        let text = text.trim().to_lowercase();
        let with = |fits: &dyn Fn(&str) -> bool| -> Vec<Self> {
            Self::ALL.iter().copied().filter(|action| fits(action.name())).collect()
        };
        let tries: [&dyn Fn(&str) -> bool; 3] =
            [&|name| name == text, &|name| name.starts_with(&text), &|name| name.contains(&text)];
        tries.into_iter().map(with).find(|found| !found.is_empty()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_means_its_action_and_no_other() {
        for action in Action::ALL {
            assert_eq!(Action::meant_by(action.name()), [*action]);
        }
        assert_eq!(Action::meant_by(" THE"), [Action::Theme]);
        assert_eq!(Action::meant_by("advice"), [Action::CopyAdvice]);
        assert_eq!(Action::meant_by("zoom"), [Action::ZoomIn, Action::ZoomOut]);
        assert_eq!(Action::meant_by("dance"), []);
    }
}
