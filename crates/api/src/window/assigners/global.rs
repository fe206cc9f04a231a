//! One window for everything.

use riverrun_base::Result;

use super::{AssignerContext, WindowAssigner};
use crate::window::{EndOfStreamTrigger, GlobalWindow, NeverTrigger};

/// All records of a key are in one window, which never ends: its results come when a trigger says so.
#[derive(Clone, Copy, Debug)]
pub struct GlobalWindows;

impl GlobalWindows {
    /// With a trigger that never fires, in place of which the stream is to have another.
    pub fn create() -> Self {
        Self
    }

    /// With a trigger that fires at the end of bounded input.
    pub fn create_with_end_of_stream_trigger() -> GlobalWindowsUntilEnd {
        GlobalWindowsUntilEnd
    }
}

/// [`GlobalWindows`] whose result comes at the end of bounded input.
#[derive(Clone, Copy, Debug)]
pub struct GlobalWindowsUntilEnd;

impl<T> WindowAssigner<T> for GlobalWindows {
    type Window = GlobalWindow;
    type DefaultTrigger = NeverTrigger;

    #[inline]
    fn assign_windows(&mut self, _: &T, _: &AssignerContext, windows: &mut Vec<GlobalWindow>) -> Result<()> {
        windows.push(GlobalWindow);
        Ok(())
    }

    fn default_trigger(&self) -> NeverTrigger {
        NeverTrigger
    }

    fn is_event_time(&self) -> bool {
        false
    }
}

impl<T> WindowAssigner<T> for GlobalWindowsUntilEnd {
    type Window = GlobalWindow;
    type DefaultTrigger = EndOfStreamTrigger;

    #[inline]
    fn assign_windows(&mut self, _: &T, _: &AssignerContext, windows: &mut Vec<GlobalWindow>) -> Result<()> {
        windows.push(GlobalWindow);
        Ok(())
    }

    fn default_trigger(&self) -> EndOfStreamTrigger {
        EndOfStreamTrigger
    }

    fn is_event_time(&self) -> bool {
        false
    }
}
