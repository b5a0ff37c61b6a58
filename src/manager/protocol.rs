use std::time::Duration;

use crate::clock::Timestamp;

/// The first half of a refresh token's SHA-256.
pub(crate) type TokenHash = [u8; 16];

/// The facts about a record's refresh token. They are stored in the record, so every process decides by the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct RefreshState {
    /// The request that holds the refresh token, while its answer is not known.
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) ended: Option<Ended>,
    pub(crate) unexplained: Option<Unexplained>,
    /// The request that brought this refresh token; none after a login.
    pub(crate) origin: Option<Origin>,
    /// The last renewal returned the same refresh token, or none: the provider does not rotate it.
    pub(crate) is_reusable: bool,
}

/// A token request without an answer yet. It is saved before the refresh token is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct InFlight {
    pub(crate) token: TokenHash,
    pub(crate) sent: Timestamp,
    /// No answer is saved after this time unless nothing else happened to the record.
    pub(crate) deadline: Timestamp,
    /// The number of requests with this refresh token that had no answer, this one included.
    pub(crate) attempts: u32,
}

/// The login is over as far as the provider's answers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    /// The provider refused the refresh token.
    Refused { at: Timestamp },
    /// A renewal's ID token named another person or issuer.
    OtherPerson,
}

/// Answers in a row that say nothing about the refresh token: a firewall's page, a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Unexplained {
    pub(crate) first: Timestamp,
    pub(crate) count: u32,
}

/// The token request that a refresh token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// The refresh token that was sent.
    pub(crate) token: TokenHash,
    /// The generation of the record that announced it.
    pub(crate) generation: u64,
}

/// The facts of a record that the protocol decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) generation: u64,
    pub(crate) refresh_token: Option<TokenHash>,
    pub(crate) state: RefreshState,
    pub(crate) serves: Serves,
    /// The login has reached its end: nothing serves past it.
    pub(crate) is_over: bool,
    /// The refresh token has ended, as far as the provider said.
    pub(crate) is_refresh_token_over: bool,
}

/// The use of a record's tokens for the request at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Serves {
    No,
    /// While no other can be had.
    Meanwhile,
    Fully,
}

/// A renewal of one record as a state machine: [`next`](Self::next) is told what came of a step and returns the next one. It does
/// no input or output and reads no clock.
///
/// A process announces a request before it sends the refresh token: it saves the announcement in the place of the record that it
/// read, so one of several processes sends. The others wait for the answer until the deadline in the announcement. After that the
/// answer is lost, and the token is sent once more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Protocol {
    phase: Phase,
    /// A refresh token whose answer was lost may be sent again.
    may_resend: bool,
    /// The record that was last decided by.
    view: Option<View>,
    /// This renewal's announcement: the generation of the record that holds it, and what it says.
    announced: Option<(u64, InFlight)>,
    /// The record's announcement before this renewal's.
    before: Option<InFlight>,
    /// The announcement that this renewal waits for, and since when.
    awaited: Option<(u64, Timestamp)>,
    conflicts: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    /// Reads the record without the lock.
    Looking,
    Locking,
    /// Reads the record with the lock.
    Deciding,
    Waiting,
    Announcing(InFlight),
    Sending,
    /// Saves what the answer says of the refresh token, then ends or sends it once more.
    Settling {
        end: End,
        resend: bool,
    },
    /// Reads whether the refused refresh token has a successor.
    Refused,
    /// Saves the successor.
    Keeping,
    /// Reads the record that another process saved.
    Contending,
    Over,
}

/// The next step of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Load,
    Lock,
    /// Saves the record that was last loaded, changed so, if its generation still is `expected`.
    Save {
        expected: u64,
        change: Change,
    },
    /// Sends the refresh token; the answer counts until then.
    Send {
        until: Timestamp,
    },
    Wait(Duration),
    End(End),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    /// The refresh token is about to be sent.
    Announcement(RefreshState),
    State(RefreshState),
    /// The tokens of the answer take the place of the ones before.
    Tokens(Origin),
}

/// The outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    Loaded(Option<View>),
    Locked,
    /// With this generation.
    Saved(u64),
    /// The record was replaced or removed.
    Conflict,
    /// The store failed.
    StoreFailed,
    Answered(Answer),
    Waited,
}

/// The meaning of the provider's answer for the refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Tokens,
    /// Not taken, for another reason than the token itself.
    NotTaken,
    /// An answer that is no verdict.
    NoVerdict,
    /// No answer: the token may be spent.
    Lost,
    Refused,
    /// Another person's tokens.
    OtherPerson,
}

/// The end of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// The record that was last loaded serves.
    Served,
    Absent,
    LoginRequired(Reason),
    /// The answer's tokens are in the store, or could not be saved there.
    Renewed {
        is_stored: bool,
    },
    /// Another process's record counts, not the answer.
    Adopted,
    /// The session was removed while the answer came.
    Removed,
    /// The answer's error.
    Failed,
    StoreFailed,
    /// Others changed the record again and again.
    Contended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    NoRefreshToken,
    Over,
    Refused,
    OtherPerson,
    AnswerLost,
    /// Three answers that were no verdict.
    Unexplained,
}

impl Protocol {
    pub(crate) fn new(may_resend: bool) -> (Self, Step) {
        let mut protocol =
            Self { phase: Phase::Over, may_resend, view: None, announced: None, before: None, awaited: None, conflicts: 0 };
        let first = protocol.go(Phase::Looking, Step::Load);
        (protocol, first)
    }

    /// Saves tokens that an earlier renewal got and could not save.
    pub(crate) fn keep(origin: Origin) -> (Self, Step) {
        let (mut protocol, _) = Self::new(false);
        let at = Timestamp::from_unix_seconds(0);
        let in_flight = InFlight { token: origin.token, sent: at, deadline: at, attempts: 1 };
        protocol.announced = Some((origin.generation, in_flight));
        let first = protocol.go(Phase::Contending, Step::Load);
        (protocol, first)
    }

    /// # Panics
    /// Panics on an event that does not belong to the step that was returned last.
    pub(crate) fn next(&mut self, now: Timestamp, event: Event) -> Step {
        match (self.phase, event) {
            (Phase::Looking, Event::Loaded(view)) => self.look(view, now),
            (Phase::Locking, Event::Locked) => self.go(Phase::Deciding, Step::Load),
            (Phase::Deciding, Event::Loaded(view)) => self.decide(view, now),
            (Phase::Waiting, Event::Waited) => self.go(Phase::Deciding, Step::Load),
            (Phase::Announcing(in_flight), Event::Saved(generation)) => self.announced(generation, in_flight, now),
            (Phase::Announcing(_), Event::Conflict) => self.try_again(Phase::Deciding, End::Contended),
            (Phase::Sending, Event::Answered(answer)) => self.answered(answer, now),
            (Phase::Settling { resend: true, .. }, Event::Saved(_) | Event::Conflict | Event::StoreFailed) => {
                self.go(Phase::Waiting, Step::Wait(RESEND_AFTER))
            }
            (Phase::Settling { end, .. }, Event::Saved(_) | Event::Conflict | Event::StoreFailed) => self.end(end),
            (Phase::Refused, Event::Loaded(view)) => self.refused(view, now),
            (Phase::Refused, Event::StoreFailed) => self.end(End::LoginRequired(Reason::Refused)),
            (Phase::Keeping, Event::Saved(_)) => self.end(End::Renewed { is_stored: true }),
            (Phase::Keeping, Event::Conflict) => self.try_again(Phase::Contending, End::Renewed { is_stored: false }),
            (Phase::Keeping | Phase::Contending, Event::StoreFailed) => self.end(End::Renewed { is_stored: false }),
            (Phase::Contending, Event::Loaded(view)) => self.contend(view),
            (_, Event::StoreFailed) => self.end(End::StoreFailed),
            (phase, event) => unreachable!("{event:?} does not follow {phase:?}"),
        }
    }

    fn look(&mut self, view: Option<View>, now: Timestamp) -> Step {
        match needless(view, now) {
            Err(end) => self.end(end),
            Ok(_) => self.go(Phase::Locking, Step::Lock),
        }
    }

    fn decide(&mut self, view: Option<View>, now: Timestamp) -> Step {
        let (view, token) = match needless(view, now) {
            Err(end) => return self.end(end),
            Ok(needed) => needed,
        };
        let is_own = self.announced.is_some_and(|(generation, _)| generation == view.generation);
        if !is_own {
            self.before = view.state.in_flight.filter(|in_flight| in_flight.token == token);
        }
        if let Some(in_flight) = self.before {
            let left = if is_own { Duration::ZERO } else { self.time_left(view.generation, in_flight, now) };
            if !left.is_zero() {
                return match view.serves {
                    Serves::Meanwhile => self.end(End::Served),
                    _ => self.go(Phase::Waiting, Step::Wait(left.min(POLL))),
                };
            }
            let is_allowed = self.may_resend && in_flight.attempts < MAX_ATTEMPTS;
            if !is_allowed && !view.state.is_reusable {
                return self.end(End::LoginRequired(Reason::AnswerLost));
            }
        }
        self.view = Some(view);
        let attempts = self.before.map_or(0, |before| before.attempts).saturating_add(1);
        let in_flight = InFlight { token, sent: now, deadline: now.plus(HOLD), attempts };
        let state = RefreshState { in_flight: Some(in_flight), ..view.state };
        self.go(Phase::Announcing(in_flight), Step::Save { expected: view.generation, change: Change::Announcement(state) })
    }

    /// The time in which an answer to another's request can still come: until its deadline, and at most for the time that a
    /// request takes, because clocks differ.
    fn time_left(&mut self, generation: u64, in_flight: InFlight, now: Timestamp) -> Duration {
        let since = match self.awaited {
            Some((awaited, since)) if awaited == generation => since,
            _ => now,
        };
        self.awaited = Some((generation, since));
        in_flight.deadline.since(now).min(HOLD.saturating_sub(now.since(since)))
    }

    /// A process that was stopped while it announced announces again: the time for which others waited may be over.
    fn announced(&mut self, generation: u64, in_flight: InFlight, now: Timestamp) -> Step {
        self.announced = Some((generation, in_flight));
        if now.since(in_flight.sent) >= SENDS_WITHIN {
            return self.try_again(Phase::Deciding, End::Contended);
        }
        self.go(Phase::Sending, Step::Send { until: in_flight.sent.plus(ANSWERED_WITHIN) })
    }

    fn answered(&mut self, answer: Answer, now: Timestamp) -> Step {
        let (view, (_, in_flight)) = (self.view.expect("it was decided by"), self.announced.expect("it was announced"));
        let untouched = RefreshState { in_flight: self.before, unexplained: None, ..view.state };
        match answer {
            Answer::Tokens => {
                let change = Change::Tokens(self.origin());
                self.go(Phase::Keeping, Step::Save { expected: self.own_generation(), change })
            }
            Answer::NotTaken => self.settle(untouched, End::Failed),
            Answer::NoVerdict => {
                let before = view.state.unexplained.unwrap_or(Unexplained { first: now, count: 0 });
                let unexplained = Unexplained { count: before.count.saturating_add(1), ..before };
                let is_last = unexplained.count >= MAX_UNEXPLAINED && now.since(unexplained.first) >= UNEXPLAINED_FOR;
                let end = match view.serves {
                    Serves::No if is_last => End::LoginRequired(Reason::Unexplained),
                    _ => End::Failed,
                };
                self.settle(RefreshState { unexplained: Some(unexplained), ..untouched }, end)
            }
            Answer::Lost => {
                // No process has to wait for it.
                let lost = InFlight { deadline: now.min(in_flight.deadline), ..in_flight };
                self.before = Some(lost);
                let change = Change::State(RefreshState { in_flight: Some(lost), ..view.state });
                // Without its successor the session is over, so the token is sent again if one is needed now.
                let may_resend = self.may_resend || view.state.is_reusable;
                let resend = view.serves == Serves::No && may_resend && in_flight.attempts < MAX_ATTEMPTS;
                self.go(Phase::Settling { end: End::Failed, resend }, Step::Save { expected: self.own_generation(), change })
            }
            Answer::Refused => self.go(Phase::Refused, Step::Load),
            Answer::OtherPerson => {
                let ended = RefreshState { in_flight: None, ended: Some(Ended::OtherPerson), ..untouched };
                self.settle(ended, End::LoginRequired(Reason::OtherPerson))
            }
        }
    }

    fn settle(&mut self, state: RefreshState, end: End) -> Step {
        self.go(
            Phase::Settling { end, resend: false },
            Step::Save { expected: self.own_generation(), change: Change::State(state) },
        )
    }

    fn refused(&mut self, view: Option<View>, now: Timestamp) -> Step {
        let Some(view) = view else { return self.end(End::Absent) };
        let (generation, in_flight) = self.announced.expect("it was announced");
        if view.generation == generation {
            let ended = Some(Ended::Refused { at: now });
            let state = RefreshState { in_flight: None, unexplained: None, ended, ..view.state };
            return self.settle(state, End::LoginRequired(Reason::Refused));
        }
        let has_successor = view.refresh_token != Some(in_flight.token);
        self.end(if has_successor { End::Adopted } else { End::LoginRequired(Reason::Refused) })
    }

    /// The record was changed while the answer came. The later request's successor counts; a login or a logout counts more.
    fn contend(&mut self, view: Option<View>) -> Step {
        let Some(view) = view else { return self.end(End::Removed) };
        let (own, origin) = (self.origin(), view.state.origin);
        if origin == Some(own) {
            return self.end(End::Renewed { is_stored: true });
        }
        let is_older = match origin {
            Some(origin) if origin.token == own.token => origin.generation < own.generation,
            _ => view.refresh_token == Some(own.token),
        };
        if is_older {
            self.go(Phase::Keeping, Step::Save { expected: view.generation, change: Change::Tokens(own) })
        } else {
            self.end(End::Adopted)
        }
    }

    fn origin(&self) -> Origin {
        let (generation, in_flight) = self.announced.expect("it was announced");
        Origin { token: in_flight.token, generation }
    }

    fn own_generation(&self) -> u64 {
        self.origin().generation
    }

    fn try_again(&mut self, phase: Phase, otherwise: End) -> Step {
        self.conflicts += 1;
        if self.conflicts < MAX_CONFLICTS { self.go(phase, Step::Load) } else { self.end(otherwise) }
    }

    fn go(&mut self, phase: Phase, step: Step) -> Step {
        self.phase = phase;
        step
    }

    fn end(&mut self, end: End) -> Step {
        self.go(Phase::Over, Step::End(end))
    }
}

/// The record and its refresh token, if a renewal is needed and possible.
fn needless(view: Option<View>, now: Timestamp) -> Result<(View, TokenHash), End> {
    let view = view.ok_or(End::Absent)?;
    match view.state.ended {
        Some(Ended::OtherPerson) => return Err(End::LoginRequired(Reason::OtherPerson)),
        _ if view.is_over => return Err(End::LoginRequired(Reason::Over)),
        _ if view.serves == Serves::Fully => return Err(End::Served),
        // Clocks differ by seconds. A time far in the future says that the clock was set back: it counts as long ago.
        Some(Ended::Refused { at }) if now.since(at) < REFUSED_FOR && at.since(now) < REFUSED_FOR => {
            return Err(End::LoginRequired(Reason::Refused));
        }
        _ => {}
    }
    let token = view.refresh_token.ok_or(End::LoginRequired(Reason::NoRefreshToken))?;
    if view.is_refresh_token_over {
        return Err(End::LoginRequired(Reason::Over));
    }
    Ok((view, token))
}

/// The time for which an announcement keeps others from sending the token: the two times below, and the difference of clocks.
pub(crate) const HOLD: Duration = Duration::from_secs(40);
/// A process sends within this time after it announced.
pub(crate) const SENDS_WITHIN: Duration = Duration::from_secs(5);
/// From the announcement until the answer has to be there.
const ANSWERED_WITHIN: Duration = Duration::from_secs(35);
const POLL: Duration = Duration::from_millis(100);
/// Longer than a connection is kept idle, so that the token goes out on a new one.
const RESEND_AFTER: Duration = Duration::from_millis(1100);
/// A refresh token whose answer was lost is sent once more.
const MAX_ATTEMPTS: u32 = 2;
const MAX_UNEXPLAINED: u32 = 3;
const UNEXPLAINED_FOR: Duration = Duration::from_secs(60);
const REFUSED_FOR: Duration = Duration::from_secs(30);
const MAX_CONFLICTS: u8 = 10;
