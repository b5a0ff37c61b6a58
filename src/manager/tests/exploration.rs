//! Every order of events in which three processes can renew one record, explored.
//!
//! There is no lock here at all, which is what a lock that lapses comes to. A process can be stopped anywhere. The store and the
//! provider answer late, fail, or do what they were asked and lose the answer.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::manager::protocol::{
    Answer, Change, End, Event, Origin, Protocol, Reason, RefreshState, SENDS_WITHIN, Serves, Step, View,
};

const PROCESSES: usize = 3;
const START: i64 = 1_800_000_000;
const MAX_TOKENS: usize = 16;

#[derive(Clone, Hash)]
struct World {
    now: Timestamp,
    store: Option<Stored>,
    provider: Provider,
    processes: [Process; PROCESSES],
    generations: u64,
    /// The number of faults that may still happen.
    faults: u8,
    /// The number of jumps of the clock that may still happen.
    jumps: u8,
    /// The number of logouts and logins that may still happen, in turn.
    visits: u8,
    /// A fault may have cost the session.
    may_be_lost: bool,
    /// An answer was lost.
    was_lost: bool,
}

#[derive(Clone, Copy, PartialEq, Hash, Debug)]
struct Stored {
    generation: u64,
    login: u8,
    token: u8,
    state: RefreshState,
    is_fresh: bool,
}

#[derive(Clone, Copy, PartialEq, Hash, Debug)]
enum Reuse {
    /// A spent token revokes the whole family.
    Punished,
    /// The token before the current one gets another successor, which takes the current one's place.
    Tolerated,
    /// The token is never replaced.
    Usual,
}

#[derive(Clone, Hash)]
struct Provider {
    reuse: Reuse,
    tokens: u8,
    current: u8,
    previous: Option<u8>,
    is_revoked: bool,
    /// For each token, the number of requests without a verdict.
    sent: [u8; MAX_TOKENS],
}

#[derive(Clone, Hash)]
struct Process {
    protocol: Protocol,
    step: Step,
    /// A step that is done and whose outcome has not arrived.
    done: Option<Done>,
    loaded: Option<Stored>,
    /// The token of the answer.
    got: Option<u8>,
    announced_at: Option<Timestamp>,
    /// While an answer can come.
    until: Option<Timestamp>,
    has_crashed: bool,
    store_failed: bool,
    /// The generations of announcements without a request, and the state before them.
    unsent: Vec<u64>,
    before: Option<RefreshState>,
    /// A state that the store did not take, for the record of one of these generations.
    unsaved: Option<(Vec<u64>, RefreshState)>,
    /// A mistake has led it on after its end.
    is_forced: bool,
}

#[derive(Clone, Copy, Hash, Debug)]
enum Done {
    Event(Event),
    Loaded(Option<Stored>),
    /// The provider has answered.
    Granted(u8),
    Refused,
}

/// A mistake that is put in to see that it is found.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mistake {
    None,
    /// Another's announcement is not seen.
    IgnoresAnnouncements,
    /// A process that was stopped after it announced sends too late.
    SendsLate,
    /// A save does not compare generations.
    SavesUnconditionally,
    /// A conflict ends the renewal, and its tokens are dropped.
    DropsTokensAtConflict,
    /// The answer of an earlier request replaces that of a later one.
    PrefersOwnTokens,
    /// The requests with a token are not counted.
    ForgetsAttempts,
    /// A lost answer is taken for a token that was not taken.
    TakesLostForUntaken,
    /// A removed record is written again.
    WritesAfterRemoval,
    /// The time is always that of the start.
    ReadsNoClock,
    /// The token is sent before the announcement is saved.
    SendsBeforeSaving,
    /// An announcement that failed is forgotten, although the store took it.
    ForgetsFailedAnnouncements,
}

impl World {
    fn new(reuse: Reuse, faults: u8, jumps: u8, visits: u8) -> Self {
        let process = || {
            let (protocol, step) = Protocol::new(true);
            Process {
                protocol,
                step,
                done: None,
                loaded: None,
                got: None,
                announced_at: None,
                until: None,
                has_crashed: false,
                store_failed: false,
                unsent: Vec::new(),
                before: None,
                unsaved: None,
                is_forced: false,
            }
        };
        Self {
            now: Timestamp::from_unix_seconds(START),
            store: Some(Stored { generation: 1, login: 1, token: 1, state: RefreshState::default(), is_fresh: false }),
            provider: Provider { reuse, tokens: 1, current: 1, previous: None, is_revoked: false, sent: [0; MAX_TOKENS] },
            processes: std::array::from_fn(|_| process()),
            generations: 1,
            faults,
            jumps,
            visits,
            may_be_lost: false,
            was_lost: false,
        }
    }

    /// The program forbids that a refresh token is sent twice.
    fn sending_once(mut self) -> Self {
        for process in &mut self.processes {
            (process.protocol, process.step) = Protocol::new(false);
        }
        self
    }

    /// The last process' clock is four seconds slow.
    fn clock_of(&self, process: usize) -> Timestamp {
        if process == PROCESSES - 1 { self.now.minus(Duration::from_secs(4)) } else { self.now }
    }

    /// All that can happen next, or what must not be.
    fn successors(&self, mistake: Mistake) -> Result<Vec<Self>, String> {
        let mut worlds = Vec::new();
        for process in 0..PROCESSES {
            self.steps_of(process, mistake, &mut worlds)?;
        }
        if self.jumps > 0 && self.processes.iter().any(|own| own.announced_at.is_some()) {
            for seconds in [6, 41] {
                let mut world = self.clone();
                world.now = world.now.plus(Duration::from_secs(seconds));
                world.jumps -= 1;
                world.may_be_lost |= seconds > 6;
                worlds.push(world);
            }
        }
        if self.visits > 0 {
            let mut world = self.clone();
            world.visits -= 1;
            if world.store.take().is_none() {
                world.log_in();
            }
            worlds.push(world);
        }
        Ok(worlds)
    }

    fn log_in(&mut self) {
        self.generations += 1;
        self.provider.tokens += 1;
        (self.provider.current, self.provider.previous) = (self.provider.tokens, None);
        let (generation, token) = (self.generations, self.provider.tokens);
        self.store = Some(Stored { generation, login: 2, token, state: RefreshState::default(), is_fresh: true });
    }

    fn steps_of(&self, process: usize, mistake: Mistake, worlds: &mut Vec<Self>) -> Result<(), String> {
        let own = &self.processes[process];
        if let (Some((generations, state)), Some(stored)) = (&own.unsaved, self.store)
            && generations.contains(&stored.generation)
            && !own.has_crashed
        {
            let mut world = self.clone();
            world.generations += 1;
            world.store = Some(Stored { generation: world.generations, state: *state, ..stored });
            world.processes[process].unsaved = None;
            worlds.push(world);
        }
        if !own.is_running() {
            return Ok(());
        }
        if self.faults > 0 && own.has_begun() {
            let mut world = self.faulty();
            world.processes[process].has_crashed = true;
            worlds.push(world);
        }
        if let Some(done) = own.done {
            worlds.push(self.clone().arrived(process, done, mistake)?);
            if self.faults > 0 && own.until.is_some() {
                worlds.push(self.faulty().arrived(process, Done::Event(Event::Answered(Answer::Lost)), mistake)?);
            }
            return Ok(());
        }
        match own.step {
            // That the process acts on it late is another process' step in between.
            Step::Load => {
                worlds.push(self.clone().arrived(process, Done::Loaded(self.store), mistake)?);
                if self.faults > 0 {
                    worlds.push(self.faulty().arrived(process, Done::Event(Event::StoreFailed), mistake)?);
                }
            }
            Step::Lock => worlds.push(self.clone().arrived(process, Done::Event(Event::Locked), mistake)?),
            Step::Wait(_) => worlds.push(self.clone().arrived(process, Done::Event(Event::Waited), mistake)?),
            Step::Save { expected, change } => {
                let mut world = self.clone();
                let saved = world.save(process, expected, change, mistake)?;
                world.note_announcement(process, change, saved, mistake);
                if self.faults > 0 {
                    for world in [self, &world] {
                        let mut failed = world.faulty();
                        failed.note_failure(process, expected, change);
                        worlds.push(failed.arrived(process, Done::Event(Event::StoreFailed), mistake)?);
                    }
                }
                worlds.push(world.arrived(process, Done::Event(saved), mistake)?);
            }
            Step::Send { until } => self.send(process, until, mistake, worlds)?,
            Step::End(_) => {}
        }
        Ok(())
    }

    fn faulty(&self) -> Self {
        Self { faults: self.faults - 1, may_be_lost: true, ..self.clone() }
    }

    /// As the driver does it: an announcement is noted until its request is sent, or its end is saved.
    fn note_announcement(&mut self, process: usize, change: Change, outcome: Event, mistake: Mistake) {
        let Event::Saved(generation) = outcome else { return };
        let own = &mut self.processes[process];
        if !matches!(change, Change::Announcement(_)) {
            own.unsent.clear();
        } else if mistake != Mistake::ForgetsFailedAnnouncements {
            if own.unsent.is_empty() {
                own.before = own.loaded.map(|loaded| loaded.state);
            }
            own.unsent.push(generation);
        }
    }

    /// As the driver does it after a save that failed for the process. The store may have done it.
    fn note_failure(&mut self, process: usize, expected: u64, change: Change) {
        if let Change::State(state) = change {
            let own = &mut self.processes[process];
            (own.unsent, own.before) = (vec![expected], Some(state));
        }
    }

    fn send(&self, process: usize, until: Timestamp, mistake: Mistake, worlds: &mut Vec<Self>) -> Result<(), String> {
        let (clock, own) = (self.clock_of(process), &self.processes[process]);
        let announced = own.announced_at.expect("it was announced");
        // What the driver does right before the request goes out.
        if clock.since(announced) >= SENDS_WITHIN && mistake != Mistake::SendsLate {
            worlds.push(self.clone().arrived(process, Done::Event(Event::Answered(Answer::NotTaken)), mistake)?);
            return Ok(());
        }
        for (other, sender) in self.processes.iter().enumerate() {
            if other != process && sender.until.is_some_and(|until| self.clock_of(other) < until) && !sender.has_crashed {
                return Err("two processes send at once".to_owned());
            }
        }
        let token = own.loaded.expect("a record was loaded").token;
        let mut world = self.clone();
        world.processes[process].unsent.clear();
        world.processes[process].until = Some(until);
        world.provider.count(token)?;
        if self.faults > 0 {
            for answer in [Answer::Lost, Answer::NotTaken, Answer::NoVerdict] {
                let mut failed = world.faulty();
                if answer != Answer::Lost {
                    failed.provider.forget(token);
                }
                worlds.push(failed.arrived(process, Done::Event(Event::Answered(answer)), mistake)?);
            }
        }
        let done = world.provider.redeem(token);
        world.processes[process].done = Some(done);
        worlds.push(world);
        Ok(())
    }

    /// As a store does it: in one step.
    fn save(&mut self, process: usize, expected: u64, change: Change, mistake: Mistake) -> Result<Event, String> {
        let is_expected = self.store.is_some_and(|stored| stored.generation == expected);
        let is_forced = match mistake {
            Mistake::SavesUnconditionally => self.store.is_some(),
            Mistake::WritesAfterRemoval => self.store.is_none(),
            _ => false,
        };
        if !is_expected && !is_forced {
            return Ok(Event::Conflict);
        }
        let own = &self.processes[process];
        let base = own.loaded.expect("a record was loaded");
        let Some(replaced) = self.store else { return Err("a removed session comes back".to_owned()) };
        self.generations += 1;
        let mut record = Stored { generation: self.generations, ..base };
        match change {
            Change::Announcement(state) | Change::State(state) => record.state = state,
            Change::Tokens(origin) => {
                record.token = own.got.expect("an answer with tokens came");
                record.is_fresh = true;
                record.state =
                    RefreshState { origin: Some(origin), is_reusable: record.token == base.token, ..RefreshState::default() };
            }
        }
        if record.login != replaced.login {
            return Err("a login is replaced by an earlier session".to_owned());
        }
        let generation_of = |record: &Stored| record.state.origin.map_or(0, |origin| origin.generation);
        if generation_of(&record) < generation_of(&replaced) {
            return Err("the tokens of a later request are lost".to_owned());
        }
        if !matches!(change, Change::Tokens(_)) && record.token != replaced.token {
            return Err("a refresh token is replaced without an answer".to_owned());
        }
        self.store = Some(record);
        Ok(Event::Saved(self.generations))
    }

    /// The outcome of a step reaches the process.
    fn arrived(mut self, process: usize, done: Done, mistake: Mistake) -> Result<Self, String> {
        let clock = self.clock_of(process);
        let own = &mut self.processes[process];
        own.done = None;
        let mut now = if mistake == Mistake::ReadsNoClock { Timestamp::from_unix_seconds(START) } else { clock };
        let mut event = match done {
            Done::Event(event) => event,
            Done::Loaded(stored) => {
                let kept = |stored: &Stored| {
                    let unsaved = own.unsaved.as_ref().filter(|(generations, _)| generations.contains(&stored.generation));
                    unsaved.map(|(_, state)| *state)
                };
                own.loaded = stored.map(|stored| kept(&stored).map_or(stored, |state| Stored { state, ..stored }));
                Event::Loaded(own.loaded.map(|loaded| loaded.view(mistake)))
            }
            // After the deadline the answer is not waited for.
            Done::Granted(_) | Done::Refused if own.until.is_some_and(|until| until < clock) => Event::Answered(Answer::Lost),
            Done::Granted(token) => {
                own.got = Some(token);
                Event::Answered(Answer::Tokens)
            }
            Done::Refused => Event::Answered(Answer::Refused),
        };
        match (mistake, own.step, event) {
            (Mistake::DropsTokensAtConflict, Step::Save { change: Change::Tokens(_), .. }, Event::Conflict) => {
                event = Event::StoreFailed;
            }
            (Mistake::TakesLostForUntaken, _, Event::Answered(Answer::Lost)) => event = Event::Answered(Answer::NotTaken),
            (Mistake::SendsLate, Step::Save { change: Change::Announcement(_), .. }, Event::Saved(_)) => {
                now = own.announced_at.unwrap_or(now);
            }
            _ => own.store_failed |= event == Event::StoreFailed,
        }
        if matches!(event, Event::Answered(_)) {
            own.until = None;
        }
        self.was_lost |= event == Event::Answered(Answer::Lost);
        if let (Event::Answered(Answer::Refused), Some(loaded)) = (event, own.loaded) {
            self.provider.sent[usize::from(loaded.token)] = 0;
        }
        if own.is_forced {
            own.step = Step::End(End::Adopted);
            return Ok(self);
        }
        own.step = own.protocol.next(now, event);
        if let Step::Save { change: Change::Announcement(RefreshState { in_flight: Some(in_flight), .. }), .. } = own.step
            && in_flight.sent == now
        {
            own.announced_at = Some(now);
        }
        if mistake == Mistake::SendsBeforeSaving
            && let Step::Save { expected, change: Change::Announcement(_) } = own.step
            && own.announced_at == Some(now)
        {
            own.step = own.protocol.next(now, Event::Saved(expected));
        }
        if mistake == Mistake::PrefersOwnTokens
            && own.step == Step::End(End::Adopted)
            && let (Some(_), Some(loaded)) = (own.got, own.loaded)
        {
            let origin = Origin { token: hash(0), generation: 0 };
            own.is_forced = true;
            own.step = Step::Save { expected: loaded.generation, change: Change::Tokens(origin) };
        }
        if let Step::End(end) = own.step {
            if !own.unsent.is_empty() {
                own.unsaved = own.before.map(|before| (std::mem::take(&mut own.unsent), before));
            }
            let own = own.clone();
            self.check_end(&own, end)?;
        }
        Ok(self)
    }

    /// Checks the end of a renewal.
    fn check_end(&self, own: &Process, end: End) -> Result<(), String> {
        match end {
            End::Renewed { is_stored: false } if !own.store_failed => Err("tokens that came are dropped".to_owned()),
            End::LoginRequired(reason) if !self.may_be_lost && self.visits == VISITS => {
                Err(format!("a login is required ({reason:?}) although nothing went wrong"))
            }
            End::LoginRequired(Reason::AnswerLost) if self.lost_nothing() => {
                Err("a login is required although no answer was lost".to_owned())
            }
            End::Contended => Err("a renewal gives up".to_owned()),
            _ => Ok(()),
        }
    }

    /// No answer was lost, and no process that announced a request is gone or has still to save what came of it.
    fn lost_nothing(&self) -> bool {
        let has_saved_all = |own: &Process| {
            let has_tokens = own.step == Step::End(End::Renewed { is_stored: false });
            !own.has_crashed && !own.is_running() && !has_tokens && own.unsaved.is_none()
        };
        !self.was_lost && self.processes.iter().all(has_saved_all)
    }

    /// From here, with nothing more going wrong, each process ends.
    fn comes_to_an_end(&self, mistake: Mistake) -> Result<(), String> {
        let mut world = Self { faults: 0, jumps: 0, visits: 0, ..self.clone() };
        for _ in 0..400 {
            if !world.processes.iter().any(Process::is_running) {
                return Ok(());
            }
            for process in 0..PROCESSES {
                let mut next = Vec::new();
                world.steps_of(process, mistake, &mut next)?;
                world = next.pop().unwrap_or(world);
            }
            world.now = world.now.plus(Duration::from_secs(1));
        }
        Err("a process waits for ever".to_owned())
    }
}

impl Process {
    fn has_begun(&self) -> bool {
        [true, false].iter().all(|may_resend| self.protocol != Protocol::new(*may_resend).0)
    }

    fn is_running(&self) -> bool {
        !self.has_crashed && !matches!(self.step, Step::End(_))
    }
}

impl Stored {
    fn view(&self, mistake: Mistake) -> View {
        let mut state = self.state;
        match (mistake, &mut state.in_flight) {
            (Mistake::IgnoresAnnouncements, in_flight) => *in_flight = None,
            (Mistake::ForgetsAttempts, Some(in_flight)) => in_flight.attempts = 0,
            _ => {}
        }
        let serves = if self.is_fresh { Serves::Fully } else { Serves::No };
        View {
            generation: self.generation,
            refresh_token: Some(hash(self.token)),
            state,
            serves,
            is_over: false,
            is_refresh_token_over: false,
        }
    }
}

impl Provider {
    fn redeem(&mut self, token: u8) -> Done {
        let is_good = token == self.current || (self.reuse == Reuse::Tolerated && Some(token) == self.previous);
        if self.is_revoked || !is_good {
            self.is_revoked |= self.reuse == Reuse::Punished;
            return Done::Refused;
        }
        if self.reuse == Reuse::Usual {
            return Done::Granted(token);
        }
        self.tokens += 1;
        (self.previous, self.current) = (Some(token), self.tokens);
        Done::Granted(self.tokens)
    }

    fn count(&mut self, token: u8) -> Result<(), String> {
        self.sent[usize::from(token)] += 1;
        let is_too_often = self.sent[usize::from(token)] > 2 && self.reuse != Reuse::Usual;
        if is_too_often { Err("a token is sent a third time".to_owned()) } else { Ok(()) }
    }

    fn forget(&mut self, token: u8) {
        self.sent[usize::from(token)] -= 1;
    }
}

fn hash(token: u8) -> [u8; 16] {
    [token; 16]
}

/// A world and how it came to be.
struct Reached {
    world: World,
    from: Option<Rc<Self>>,
}

impl Reached {
    fn tell(&self) -> String {
        let before = self.from.as_ref().map(|from| from.tell()).unwrap_or_default();
        let start = Timestamp::from_unix_seconds(START);
        let mut now = format!("{before}\n{:>3} s", self.world.now.since(start).as_secs());
        for own in &self.world.processes {
            let step = match own.step {
                Step::Save { expected, change: Change::Announcement(_) | Change::State(_) } => format!("Save over {expected}"),
                Step::Save { expected, .. } => format!("Save tokens over {expected}"),
                Step::Send { until } => format!("Send until {}", until.since(start).as_secs()),
                step => format!("{step:?}"),
            };
            let done = match own.done {
                Some(Done::Loaded(stored)) => format!(" read {:?}", stored.map(|stored| stored.generation)),
                Some(done) => format!(" {done:?}"),
                None => String::new(),
            };
            let crashed = if own.has_crashed { " crashed" } else { "" };
            now.push_str(&format!(" | {step}{done}{crashed}"));
        }
        if let Some(stored) = self.world.store {
            now.push_str(&format!(" || generation {} token {}", stored.generation, stored.token));
            if let Some(in_flight) = stored.state.in_flight {
                let deadline = in_flight.deadline.since(start).as_secs();
                now.push_str(&format!(" attempts {} until {deadline}", in_flight.attempts));
            }
            now.push_str(&format!(" {:?}", stored.state.ended));
        }
        now
    }
}

/// Depth first. The number of worlds, or how the first bad one came to be bad.
fn explore(first: World, mistake: Mistake) -> Result<usize, String> {
    let hash_of = |world: &World| {
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        hasher.finish()
    };
    // The first two processes are alike.
    let key = |world: &World| {
        let mut twin = world.clone();
        twin.processes.swap(0, 1);
        hash_of(world).min(hash_of(&twin))
    };
    let mut seen = HashSet::from([key(&first)]);
    let mut open = vec![Rc::new(Reached { world: first, from: None })];
    while let Some(reached) = open.pop() {
        let bad = |error| format!("{error}:{}", reached.tell());
        for world in reached.world.successors(mistake).map_err(bad)? {
            let key = key(&world);
            if seen.insert(key) {
                let next = Reached { world, from: Some(Rc::clone(&reached)) };
                if key % 16 == 0 {
                    next.world.comes_to_an_end(mistake).map_err(|error| format!("{error}:{}", next.tell()))?;
                }
                open.push(Rc::new(next));
            }
        }
    }
    Ok(seen.len())
}

const VISITS: u8 = 2;
const SENT_TOO_OFTEN: &[&str] = &["two processes send at once", "a token is sent a third time"];

/// J22: no order of events breaks the protocol. `.ci/long` explores what is too much for each change.
#[test]
fn no_order_of_events_breaks_a_renewal() {
    let mut rows = vec![(Reuse::Punished, 0, 1, 0), (Reuse::Tolerated, 0, 1, 0), (Reuse::Usual, 1, 0, 0)];
    rows.extend([(Reuse::Punished, 1, 0, 0), (Reuse::Punished, 0, 0, VISITS)]);
    if std::env::var_os("EXPLORE_AT_LENGTH").is_some() {
        for reuse in [Reuse::Punished, Reuse::Tolerated, Reuse::Usual] {
            rows.extend([(reuse, 1, 1, 0), (reuse, 2, 0, 0), (reuse, 1, 0, VISITS), (reuse, 0, 1, VISITS)]);
        }
    }
    for (reuse, faults, jumps, visits) in rows {
        let world = World::new(reuse, faults, jumps, visits);
        for world in [world.clone(), world.sending_once()] {
            match explore(world, Mistake::None) {
                Ok(worlds) => assert!(worlds > 5_000, "{reuse:?}, {faults} faults, {jumps} jumps: {worlds} worlds"),
                Err(error) => panic!("{reuse:?}, {faults} faults, {jumps} jumps: {error}"),
            }
        }
    }
}

/// J22: the exploration finds what it is for.
#[test]
fn each_mistake_is_found() {
    for (mistake, (faults, jumps, visits), expected) in [
        (Mistake::IgnoresAnnouncements, (0, 0, 0), SENT_TOO_OFTEN),
        (Mistake::SendsBeforeSaving, (0, 0, 0), SENT_TOO_OFTEN),
        (Mistake::SendsLate, (0, 1, 0), SENT_TOO_OFTEN),
        (Mistake::SavesUnconditionally, (0, 0, VISITS), &["a login is replaced by an earlier session"]),
        (Mistake::WritesAfterRemoval, (0, 0, 1), &["a removed session comes back"]),
        (Mistake::DropsTokensAtConflict, (0, 1, 0), &["tokens that came are dropped"]),
        (Mistake::PrefersOwnTokens, (0, 1, 0), &["the tokens of a later request are lost"]),
        (Mistake::ForgetsAttempts, (1, 1, 0), SENT_TOO_OFTEN),
        (Mistake::TakesLostForUntaken, (1, 1, 0), SENT_TOO_OFTEN),
        (Mistake::ReadsNoClock, (1, 0, 0), &["a process waits for ever"]),
    ] {
        let found = explore(World::new(Reuse::Tolerated, faults, jumps, visits), mistake);
        let Err(found) = found else { panic!("{mistake:?} is not found") };
        assert!(expected.iter().any(|expected| found.starts_with(expected)), "{mistake:?}: {found}");
    }
    let world = World::new(Reuse::Punished, 1, 1, 0).sending_once();
    let found = explore(world, Mistake::ForgetsFailedAnnouncements).expect_err("it is not found");
    assert!(found.starts_with("a login is required although no answer was lost"), "{found}");
}
