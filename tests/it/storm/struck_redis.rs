use std::time::Duration;

/// A Redis in the storm. After each of these it is there, with everything that it had said it would keep.
pub(super) trait StruckRedis {
    fn url(&self) -> String;

    /// It takes connections and commands, and answers none for so long.
    fn hangs(&mut self, time: Duration);

    /// Without a warning, and unreachable for this time.
    fn is_killed(&mut self, time: Duration);

    /// By an administrator, and unreachable for this time.
    fn is_restarted(&mut self, time: Duration);
}
