//! A step as bytes, and back.
//!
//! Each begins with a byte: its tag, and how far its seq is from the one before. What happens often
//! has a layout of its own; what happens rarely stands as the line does in its log. Both halves keep
//! the same books of what came before: they must be changed together, and a property test holds
//! them to each other.
//!
//! A number takes as many bytes as it needs, seven bits each. How many they are is told by the
//! zeros at the low end of the first, and not by a bit in each (LEB128): so one is written, and read,
//! as a word, with no loop and no branch that is guessed wrong.

use std::array;
use std::sync::Arc;

use engine::{
    DiscardedBy, Event, Input, MemorySource, Metrics, Mode, Page, Seq, Severity, TabChanges,
    TabFacts, TabId, UserState, WindowId,
};
use foldhash::fast::FixedState;
use indexmap::IndexSet;
use recorder::{Body, Line, Tab};

use super::Damaged;
use crate::replay::{RecordedDecision, Step};

/// What a step is.
mod tag {
    pub(super) const LINE: u8 = 0;
    pub(super) const UNKNOWN: u8 = 1;
    pub(super) const DECIDED: u8 = 2;
    pub(super) const METRICS: u8 = 3;
    pub(super) const PRESSURE_SIGNAL: u8 = 4;
    pub(super) const TAB_OPENED: u8 = 5;
    pub(super) const TAB_ACTIVATED: u8 = 6;
    pub(super) const TAB_NAVIGATED: u8 = 7;
    pub(super) const TAB_LOADED: u8 = 8;
    pub(super) const TAB_CHANGED: u8 = 9;
    pub(super) const TAB_MOVED: u8 = 10;
    pub(super) const TAB_REPLACED: u8 = 11;
    pub(super) const TAB_DISCARDED: u8 = 12;
    pub(super) const TAB_RESTORED: u8 = 13;
    pub(super) const TAB_CLOSED: u8 = 14;
    pub(super) const TAB_MEMORY: u8 = 15;
    pub(super) const WINDOW_FOCUSED: u8 = 16;
    pub(super) const USER_IDLE: u8 = 17;
    pub(super) const DISCARD_OUTCOME: u8 = 18;
    pub(super) const SUSPENDED: u8 = 19;
    pub(super) const DROPPED: u8 = 20;
}

/// The bits of a step's first byte that are its tag. The others say by how much seq went up; 0 says
/// that a number does.
const TAG_BITS: u32 = 5;
const TAG_MASK: u8 = (1 << TAG_BITS) - 1;
const SEQ_STEPS: u64 = 1 << (u8::BITS - TAG_BITS);

/// How many whole numbers and fractions a sample has.
const WHOLE: usize = 8;
const FRACTIONS: usize = 4;

/// The most bytes that a number takes: behind a first byte of zeros stand all its 64 bits.
const NUMBER_BYTES: usize = 9;

/// More than any step takes but a line: a sample has some 20 numbers.
const STEP_BYTES: usize = 256;

/// Fractions are mostly hundredths, as the host rounds them: those are written doubled. In the place of
/// another stands `EXACT`, and behind it all its bits; and of one that is told no more, `GONE`.
const HUNDREDTHS: f64 = 100.0;
const EXACT: u64 = 1;
const GONE: u64 = 3;

/// What came before.
#[derive(Clone, Debug, Default)]
struct Before {
    seq: u64,
    t_ms: i64,
    tab: i64,
    sample: Sample,
}

/// What a sample of the machine tells. A number that the next does not tell stays, for another to be
/// held against it.
#[derive(Clone, Debug, Default)]
struct Sample {
    whole: [u64; WHOLE],
    fractions: [f64; FRACTIONS],
    /// Which of them were told: a bit each, whole numbers first.
    there: u64,
}

impl Sample {
    fn whole(&self, index: usize) -> Option<u64> {
        (self.there >> index & 1 == 1).then_some(self.whole[index])
    }

    fn fraction(&self, index: usize) -> Option<f64> {
        (self.there >> (WHOLE + index) & 1 == 1).then_some(self.fractions[index])
    }

    fn tell_whole(&mut self, index: usize, number: Option<u64>) {
        self.note(index, number.is_some());
        self.whole[index] = number.unwrap_or(self.whole[index]);
    }

    fn tell_fraction(&mut self, index: usize, fraction: Option<f64>) {
        self.note(WHOLE + index, fraction.is_some());
        self.fractions[index] = fraction.unwrap_or_default();
    }

    fn note(&mut self, bit: usize, is_told: bool) {
        self.there = self.there & !(1 << bit) | u64::from(is_told) << bit;
    }
}

fn whole(metrics: &recorder::Metrics) -> [Option<u64>; WHOLE] {
    [
        metrics.ram_total,
        metrics.ram_used,
        metrics.ram_available,
        metrics.swap_total,
        metrics.swap_used,
        metrics.browser_rss,
        metrics.browser_pss,
        metrics.browser_processes.map(u64::from),
    ]
}

fn fractions(metrics: &recorder::Metrics) -> [Option<f64>; FRACTIONS] {
    [
        metrics.cpu,
        metrics.battery,
        metrics.psi_some_avg10,
        metrics.psi_full_avg10,
    ]
}

/// A fraction in hundredths, where that says all of it.
fn in_hundredths(fraction: f64) -> Option<u64> {
    const LIMIT: i64 = 1 << 50;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what does not fit comes back as another"
    )]
    let whole = (fraction * HUNDREDTHS + 0.5) as i64;
    let back = whole as f64 / HUNDREDTHS;
    let says_all = back.to_bits() == fraction.to_bits() && (0..LIMIT).contains(&whole);
    says_all.then_some(whole.cast_unsigned())
}

/// Two bits a flag.
fn in_bits(flags: &[Option<bool>]) -> u64 {
    let bits = |flag: &Option<bool>| flag.map_or(0, |flag| 1 + u64::from(flag));
    (flags.iter().rev().map(bits)).fold(0, |packed, flag| packed << 2 | flag)
}

/// Differences of either sign, small ones in few bits.
fn zigzag(signed: i64) -> u64 {
    (signed.wrapping_shl(1) ^ signed.wrapping_shr(63)).cast_unsigned()
}

fn unzigzag(unsigned: u64) -> i64 {
    (unsigned >> 1).cast_signed() ^ -(unsigned & 1).cast_signed()
}

/// Writes steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Encoder {
    out: Vec<u8>,
    /// How much of that is written; the rest is room.
    length: usize,
    before: Before,
    /// By their number.
    hosts: IndexSet<Arc<str>, FixedState>,
}

impl Encoder {
    /// Adds what a replay takes from a line; returns whether there is anything.
    pub(super) fn push(&mut self, line: &Line) -> bool {
        self.make_room(STEP_BYTES);
        match &line.body {
            Body::Unknown { .. } => self.byte(tag::UNKNOWN),
            Body::Decision(it) => {
                self.begin(tag::DECIDED, line);
                self.seq(it.cause);
                self.tab(it.tab);
                self.byte(u8::from(it.mode == Mode::Enforce));
            }
            Body::OrderDropped(it) => {
                self.begin(tag::DROPPED, line);
                self.seq(it.decision);
            }
            Body::Metrics(it) => {
                self.begin(tag::METRICS, line);
                self.metrics(it);
            }
            Body::PressureSignal(it) => {
                self.begin(tag::PRESSURE_SIGNAL, line);
                self.byte(u8::from(it.severity == Severity::Critical));
            }
            Body::TabOpened(it) => {
                self.begin(tag::TAB_OPENED, line);
                self.facts(it);
            }
            Body::TabActivated(it) => {
                self.begin(tag::TAB_ACTIVATED, line);
                self.tab(it.tab);
                self.signed(it.win.0);
            }
            Body::TabNavigated(it) => {
                self.begin(tag::TAB_NAVIGATED, line);
                self.tab(it.tab);
                self.page(it.host.as_deref(), it.scheme.is_some());
                self.number(in_bits(&[it.protected]));
            }
            Body::TabLoaded(it) => {
                self.begin(tag::TAB_LOADED, line);
                self.tab(it.tab);
                self.optional(it.ms);
            }
            Body::TabChanged(it) => {
                self.begin(tag::TAB_CHANGED, line);
                self.tab(it.tab);
                self.number(in_bits(&[
                    it.pinned,
                    it.audible,
                    it.auto_discardable,
                    it.unsaved,
                    it.capturing,
                    it.in_sight,
                ]));
            }
            Body::TabMoved(it) => {
                self.begin(tag::TAB_MOVED, line);
                self.tab(it.tab);
                self.signed(it.win.0);
            }
            Body::TabReplaced(it) => {
                self.begin(tag::TAB_REPLACED, line);
                self.tab(it.old);
                self.tab(it.tab);
            }
            Body::TabDiscarded(it) => {
                self.begin(tag::TAB_DISCARDED, line);
                self.tab(it.tab);
                self.byte(u8::from(it.by == DiscardedBy::Other));
            }
            Body::TabRestored(it) => {
                self.begin(tag::TAB_RESTORED, line);
                self.tab(it.tab);
            }
            Body::TabClosed(it) => {
                self.begin(tag::TAB_CLOSED, line);
                self.tab(it.tab);
            }
            Body::TabMemory(it) => {
                self.begin(tag::TAB_MEMORY, line);
                self.tab(it.tab);
                self.number(it.bytes);
                self.byte(u8::from(it.how == MemorySource::Reclaimed));
            }
            Body::WindowFocused(it) => {
                self.begin(tag::WINDOW_FOCUSED, line);
                self.byte(u8::from(it.win.is_some()));
                self.signed(it.win.map_or(0, |win| win.0));
            }
            Body::UserIdle(it) => {
                self.begin(tag::USER_IDLE, line);
                self.byte(match it.state {
                    UserState::Active => 0,
                    UserState::Idle => 1,
                    UserState::Locked => 2,
                });
            }
            Body::DiscardOutcome(it) => {
                self.begin(tag::DISCARD_OUTCOME, line);
                self.seq(it.decision);
                self.tab(it.tab);
                self.byte(u8::from(it.ok));
            }
            Body::Suspended(it) => {
                self.begin(tag::SUSPENDED, line);
                self.number(it.ms);
            }
            _ if line.event().is_none() => return false,
            _ => {
                let mut text = Vec::new();
                line.write(&mut text);
                // The line's end stands for itself.
                text.pop();
                self.byte(tag::LINE);
                self.number(text.len() as u64);
                self.make_room(text.len());
                self.out[self.length..][..text.len()].copy_from_slice(&text);
                self.length += text.len();
            }
        }
        true
    }

    /// Makes sure that so many bytes can be written.
    fn make_room(&mut self, bytes: usize) {
        if self.out.len() < self.length + bytes {
            self.out.resize(2 * self.length + bytes, 0);
        }
    }

    /// What was written since it was cleared.
    pub(super) fn written(&self) -> &[u8] {
        &self.out[..self.length]
    }

    /// Forgets what was written, and keeps its place for what comes.
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// The hosts, by their number.
    pub(super) fn hosts(&self) -> Vec<Arc<str>> {
        self.hosts.iter().cloned().collect()
    }

    /// Writes the tag, the place and the time.
    fn begin(&mut self, tag: u8, line: &Line) {
        let seq = line.seq.0.wrapping_sub(self.before.seq);
        match u8::try_from(seq) {
            Ok(few) if (1..SEQ_STEPS).contains(&seq) => self.byte(tag | few << TAG_BITS),
            _ => {
                self.byte(tag);
                self.signed(seq.cast_signed());
            }
        }
        self.signed(line.t_ms.wrapping_sub(self.before.t_ms));
        self.before.seq = line.seq.0;
        self.before.t_ms = line.t_ms;
    }

    fn metrics(&mut self, metrics: &recorder::Metrics) {
        let (whole, fractions) = (whole(metrics), fractions(metrics));
        let before = &self.before.sample;
        let bits = |fraction: Option<f64>| fraction.map(f64::to_bits);
        let changes = (whole.iter().enumerate())
            .map(|(index, &number)| number != before.whole(index))
            .chain(
                (fractions.iter().enumerate())
                    .map(|(index, &fraction)| bits(fraction) != bits(before.fraction(index))),
            );
        let changed = (0..).zip(changes);
        let changed = changed.fold(0, |all, (bit, is_changed)| {
            all | u64::from(is_changed) << bit
        });
        self.number(changed << 2 | in_bits(&[metrics.on_battery]));
        let is_changed = |index: usize| changed >> index & 1 == 1;
        for (index, number) in whole.into_iter().enumerate() {
            if is_changed(index) {
                let sample = &mut self.before.sample;
                // Of one that comes or goes, and is the same, no difference is written.
                let before = sample.whole[index];
                sample.tell_whole(index, number);
                let difference = sample.whole[index].wrapping_sub(before);
                self.signed(difference.cast_signed());
            }
        }
        for (index, fraction) in fractions.into_iter().enumerate() {
            if is_changed(WHOLE + index) {
                self.before.sample.tell_fraction(index, fraction);
                self.fraction(fraction);
            }
        }
    }

    fn fraction(&mut self, fraction: Option<f64>) {
        let Some(fraction) = fraction else {
            return self.number(GONE);
        };
        match in_hundredths(fraction) {
            Some(hundredths) => self.number(hundredths << 1),
            None => {
                self.number(EXACT);
                self.write(fraction.to_bits());
                self.length += size_of::<f64>();
            }
        }
    }

    fn facts(&mut self, tab: &Tab) {
        self.tab(tab.tab);
        self.signed(tab.win.0);
        self.page(tab.host.as_deref(), tab.scheme.is_some());
        self.number(in_bits(&[
            tab.protected,
            tab.active,
            tab.pinned,
            tab.audible,
            tab.discarded,
            tab.loading,
            tab.auto_discardable,
            tab.unsaved,
            tab.capturing,
            tab.in_sight,
        ]));
        self.byte(u8::from(tab.last_accessed.is_some()));
        if let Some(t_ms) = tab.last_accessed {
            self.signed(t_ms.wrapping_sub(self.before.t_ms));
        }
    }

    /// A host, or else whether it is one of the browser's own.
    fn page(&mut self, host: Option<&str>, is_internal: bool) {
        let number = match host {
            None => u64::from(is_internal),
            Some(host) => 2 + self.host(host),
        };
        self.number(number);
    }

    fn host(&mut self, host: &str) -> u64 {
        let known = self.hosts.get_index_of(host);
        let index = known.unwrap_or_else(|| self.hosts.insert_full(host.into()).0);
        index as u64
    }

    /// A place, as seen from the line.
    fn seq(&mut self, seq: Seq) {
        self.signed(self.before.seq.wrapping_sub(seq.0).cast_signed());
    }

    /// A tab, as seen from the tab before.
    fn tab(&mut self, tab: TabId) {
        let before = std::mem::replace(&mut self.before.tab, tab.0);
        self.signed(tab.0.wrapping_sub(before));
    }

    fn optional(&mut self, number: Option<u64>) {
        self.byte(u8::from(number.is_some()));
        if let Some(number) = number {
            self.number(number);
        }
    }

    fn signed(&mut self, number: i64) {
        self.number(zigzag(number));
    }

    fn number(&mut self, number: u64) {
        let more = (number | 1).ilog2() as usize / 7;
        if more < 8 {
            self.write((number << 1 | 1) << more);
            self.length += 1 + more;
        } else {
            self.byte(0);
            self.write(number);
            self.length += size_of::<u64>();
        }
    }

    fn byte(&mut self, byte: u8) {
        self.out[self.length] = byte;
        self.length += 1;
    }

    /// Writes eight bytes behind what is written, of which those count that are counted then.
    fn write(&mut self, bytes: u64) {
        let room = &mut self.out[self.length..][..size_of::<u64>()];
        room.copy_from_slice(&bytes.to_le_bytes());
    }
}

/// Reads steps.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    hosts: Vec<Arc<str>>,
    before: Before,
    damage: Option<Damaged>,
}

impl<'a> Decoder<'a> {
    /// Begins with the first step.
    pub(super) fn new(bytes: &'a [u8], hosts: &[Arc<str>]) -> Self {
        Self {
            rest: bytes,
            // Of its own: replays side by side would wait for each other to count.
            hosts: hosts.iter().map(|host| Arc::from(&**host)).collect(),
            before: Before::default(),
            damage: None,
        }
    }

    /// Whether there is no further step.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next step, in the place of another: most are small, and no more is written than
    /// they need.
    pub(super) fn step(&mut self, step: &mut Step) -> Result<(), Damaged> {
        let first = self.byte();
        match first & TAG_MASK {
            tag::LINE => *step = self.line(),
            tag::UNKNOWN => *step = Step::Unknown,
            tag::DROPPED => {
                self.begin(first);
                *step = Step::Dropped {
                    decision: self.seq(),
                };
            }
            tag::DECIDED => {
                self.begin(first);
                *step = Step::Decided(RecordedDecision {
                    seq: Seq(self.before.seq),
                    cause: self.seq(),
                    tab: self.tab(),
                    mode: if self.bit() {
                        Mode::Enforce
                    } else {
                        Mode::Observe
                    },
                });
            }
            tag => {
                self.begin(first);
                let (seq, t_ms) = (Seq(self.before.seq), self.before.t_ms);
                if let Step::Event(event) = step {
                    (event.seq, event.t_ms) = (seq, t_ms);
                    self.input(tag, &mut event.input);
                } else {
                    let mut input = Input::Suspended { ms: 0 };
                    self.input(tag, &mut input);
                    *step = Step::Event(Event { seq, t_ms, input });
                }
            }
        }
        match self.damage {
            None => Ok(()),
            Some(damage) => Err(damage),
        }
    }

    fn input(&mut self, tag: u8, input: &mut Input) {
        match tag {
            tag::METRICS => *input = Input::Metrics(self.metrics()),
            tag::PRESSURE_SIGNAL => {
                *input = Input::PressureSignal(if self.bit() {
                    Severity::Critical
                } else {
                    Severity::Moderate
                });
            }
            tag::TAB_OPENED => *input = Input::TabOpened(self.facts()),
            tag::TAB_ACTIVATED => {
                *input = Input::TabActivated {
                    tab: self.tab(),
                    win: self.win(),
                }
            }
            tag::TAB_NAVIGATED => {
                let (tab, page) = (self.tab(), self.page());
                let [protected] = flags(self.number());
                *input = Input::TabNavigated {
                    tab,
                    page,
                    protected,
                };
            }
            tag::TAB_LOADED => {
                *input = Input::TabLoaded {
                    tab: self.tab(),
                    load_ms: self.optional(),
                }
            }
            tag::TAB_CHANGED => {
                let tab = self.tab();
                let [
                    pinned,
                    audible,
                    auto_discardable,
                    unsaved,
                    capturing,
                    in_sight,
                ] = flags(self.number());
                let changes = TabChanges {
                    pinned,
                    audible,
                    auto_discardable,
                    unsaved,
                    capturing,
                    in_sight,
                };
                *input = Input::TabChanged { tab, changes };
            }
            tag::TAB_MOVED => {
                *input = Input::TabMoved {
                    tab: self.tab(),
                    win: self.win(),
                }
            }
            tag::TAB_REPLACED => {
                let old = self.tab();
                let tab = self.tab();
                *input = Input::TabReplaced { tab, old };
            }
            tag::TAB_DISCARDED => {
                *input = Input::TabDiscarded {
                    tab: self.tab(),
                    by: if self.bit() {
                        DiscardedBy::Other
                    } else {
                        DiscardedBy::Orchestrator
                    },
                }
            }
            tag::TAB_RESTORED => *input = Input::TabRestored { tab: self.tab() },
            tag::TAB_CLOSED => *input = Input::TabClosed { tab: self.tab() },
            tag::TAB_MEMORY => {
                *input = Input::TabMemory {
                    tab: self.tab(),
                    bytes: self.number(),
                    how: if self.bit() {
                        MemorySource::Reclaimed
                    } else {
                        MemorySource::Measured
                    },
                }
            }
            tag::WINDOW_FOCUSED => {
                let is_ours = self.bit();
                let win = self.win();
                *input = Input::WindowFocused {
                    win: is_ours.then_some(win),
                };
            }
            tag::USER_IDLE => {
                *input = Input::UserIdle(match self.byte() {
                    0 => UserState::Active,
                    1 => UserState::Idle,
                    _ => UserState::Locked,
                });
            }
            tag::DISCARD_OUTCOME => {
                *input = Input::DiscardOutcome {
                    decision: self.seq(),
                    tab: self.tab(),
                    ok: self.bit(),
                }
            }
            tag::SUSPENDED => *input = Input::Suspended { ms: self.number() },
            _ => self.fail(Damaged("it has a step of no known kind")),
        }
    }

    #[cold]
    fn line(&mut self) -> Step {
        let length = usize::try_from(self.number()).unwrap_or(usize::MAX);
        let Some((text, rest)) = self.rest.split_at_checked(length) else {
            self.fail(CUT);
            return Step::Unknown;
        };
        self.rest = rest;
        let line = Line::parse(text).ok();
        line.as_ref().and_then(Step::of).unwrap_or_else(|| {
            self.fail(Damaged("a line in it cannot be read"));
            Step::Unknown
        })
    }

    fn begin(&mut self, first: u8) {
        let seq = match first >> TAG_BITS {
            0 => self.signed().cast_unsigned(),
            few => u64::from(few),
        };
        self.before.seq = self.before.seq.wrapping_add(seq);
        self.before.t_ms = self.before.t_ms.wrapping_add(self.signed());
    }

    fn metrics(&mut self) -> Metrics {
        let bits = self.number();
        let [on_battery] = flags(bits);
        let is_changed = |index: usize| bits >> (2 + index) & 1 == 1;
        for index in 0..WHOLE {
            if is_changed(index) {
                let difference = self.signed().cast_unsigned();
                let sample = &mut self.before.sample;
                let is_told = difference != 0 || sample.whole(index).is_none();
                let number = sample.whole[index].wrapping_add(difference);
                sample.tell_whole(index, is_told.then_some(number));
            }
        }
        for index in 0..FRACTIONS {
            if is_changed(WHOLE + index) {
                let fraction = self.fraction();
                self.before.sample.tell_fraction(index, fraction);
            }
        }
        let sample = &self.before.sample;
        let [
            ram_total,
            ram_used,
            ram_available,
            swap_total,
            swap_used,
            browser_rss,
            browser_pss,
            processes,
        ] = array::from_fn(|index| sample.whole(index));
        let [cpu, battery, psi_some_avg10, psi_full_avg10] =
            array::from_fn(|index| sample.fraction(index));
        Metrics {
            ram_total,
            ram_used,
            ram_available,
            swap_total,
            swap_used,
            cpu,
            on_battery,
            battery,
            psi_some_avg10,
            psi_full_avg10,
            browser_rss,
            browser_pss,
            browser_processes: processes.and_then(|count| u32::try_from(count).ok()),
        }
    }

    /// A fraction, unless it is told no more.
    fn fraction(&mut self) -> Option<f64> {
        match self.number() {
            GONE => None,
            number if number & 1 == 0 => Some((number >> 1) as f64 / HUNDREDTHS),
            _ => match self.rest.split_first_chunk() {
                Some((bytes, rest)) => {
                    self.rest = rest;
                    Some(f64::from_le_bytes(*bytes))
                }
                None => {
                    self.fail(CUT);
                    None
                }
            },
        }
    }

    fn facts(&mut self) -> TabFacts {
        let (tab, win, page) = (self.tab(), self.win(), self.page());
        let [
            protected,
            active,
            pinned,
            audible,
            discarded,
            loading,
            auto_discardable,
            unsaved,
            capturing,
            in_sight,
        ] = flags(self.number());
        let last_accessed = (self.bit()).then(|| self.before.t_ms.wrapping_add(self.signed()));
        TabFacts {
            tab,
            win,
            page,
            protected,
            active,
            pinned,
            audible,
            discarded,
            loading,
            auto_discardable,
            unsaved,
            capturing,
            in_sight,
            last_accessed,
        }
    }

    fn page(&mut self) -> Option<Page> {
        match self.number() {
            0 => None,
            1 => Some(Page::Internal),
            number => {
                let host = usize::try_from(number - 2).unwrap_or(usize::MAX);
                if let Some(host) = self.hosts.get(host) {
                    return Some(Page::Web(host.clone()));
                }
                self.fail(Damaged("a host in it is not in its table"));
                None
            }
        }
    }

    fn seq(&mut self) -> Seq {
        let back = self.signed().cast_unsigned();
        Seq(self.before.seq.wrapping_sub(back))
    }

    fn tab(&mut self) -> TabId {
        self.before.tab = self.before.tab.wrapping_add(self.signed());
        TabId(self.before.tab)
    }

    fn win(&mut self) -> WindowId {
        WindowId(self.signed())
    }

    fn optional(&mut self) -> Option<u64> {
        self.bit().then(|| self.number())
    }

    fn signed(&mut self) -> i64 {
        unzigzag(self.number())
    }

    #[inline(always)]
    fn number(&mut self) -> u64 {
        let Some(&word) = self.rest.first_chunk() else {
            return self.rare_number();
        };
        let word = u64::from_le_bytes(word);
        let length = word.trailing_zeros() as usize + 1;
        if length > 8 {
            return self.rare_number();
        }
        self.rest = &self.rest[length..];
        word << (64 - 8 * length) >> (64 - 7 * length)
    }

    /// A number that takes all its bits, or one of the last few bytes.
    #[cold]
    fn rare_number(&mut self) -> u64 {
        let mut bytes = [0; NUMBER_BYTES];
        let there = self.rest.len().min(NUMBER_BYTES);
        bytes[..there].copy_from_slice(&self.rest[..there]);
        let [first, all @ ..] = bytes;
        let length = first.trailing_zeros() as usize + 1;
        if length > there {
            self.fail(CUT);
            return 0;
        }
        self.rest = &self.rest[length..];
        if length == NUMBER_BYTES {
            return u64::from_le_bytes(all);
        }
        let word = u64::from_le_bytes(all) << 8 | u64::from(first);
        word << (64 - 8 * length) >> (64 - 7 * length)
    }

    fn bit(&mut self) -> bool {
        self.byte() != 0
    }

    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else {
            self.fail(CUT);
            return 0;
        };
        self.rest = rest;
        byte
    }

    /// Notes what is wrong: it is told when the step is read, and nothing is read after it.
    #[cold]
    fn fail(&mut self, damage: Damaged) {
        self.damage.get_or_insert(damage);
        self.rest = &[];
    }
}

fn flags<const N: usize>(mut packed: u64) -> [Option<bool>; N] {
    array::from_fn(|_| {
        let flag = packed & 3;
        packed >>= 2;
        (flag > 0).then_some(flag > 1)
    })
}

const CUT: Damaged = Damaged("a step in it is cut off");
