//! A step as bytes, and back.
//!
//! Each begins with a tag. What happens often has a layout of its own; what happens rarely stands
//! as the line does in its log. Both halves keep the same books of what came before: they must be
//! changed together, and a property test holds them to each other.

use std::sync::Arc;

use engine::{
    DiscardedBy, Event, Input, MemorySource, Metrics, Mode, Page, Seq, Severity, TabChanges,
    TabFacts, TabId, UserState, WindowId,
};
use foldhash::fast::FixedState;
use indexmap::IndexSet;
use recorder::{Body, Line};

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
}

/// How many whole numbers, fractions and flags a sample has.
const WHOLE: usize = 8;
const FRACTIONS: usize = 4;

/// The most bytes that a number of 64 bits takes.
const VARINT_BYTES: usize = 10;

/// Fractions are mostly hundredths, as the host rounds them.
const HUNDREDTHS: f64 = 100.0;

/// What came before.
#[derive(Clone, Debug, Default)]
struct Before {
    seq: u64,
    t_ms: i64,
    tab: i64,
    whole: [u64; WHOLE],
}

fn whole(metrics: &Metrics) -> [Option<u64>; WHOLE] {
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

fn fractions(metrics: &Metrics) -> [Option<f64>; FRACTIONS] {
    [
        metrics.cpu,
        metrics.battery,
        metrics.psi_some_avg10,
        metrics.psi_full_avg10,
    ]
}

/// A fraction in hundredths, where that says all of it.
fn in_hundredths(fraction: f64) -> Option<u64> {
    const LIMIT: f64 = (1_u64 << 50) as f64;
    let hundredths = (fraction * HUNDREDTHS).round();
    if !(0.0..LIMIT).contains(&hundredths) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and within the limit"
    )]
    let whole = hundredths as u64;
    let back = whole as f64 / HUNDREDTHS;
    (back.to_bits() == fraction.to_bits()).then_some(whole)
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
    before: Before,
    /// By their number.
    hosts: IndexSet<Arc<str>, FixedState>,
}

impl Encoder {
    /// Adds what a replay takes from a line; returns whether there is anything.
    pub(super) fn push(&mut self, line: &Line) -> bool {
        match &line.body {
            Body::Unknown { .. } => self.out.push(tag::UNKNOWN),
            Body::Decision(it) => {
                self.begin(tag::DECIDED, line);
                self.seq(it.cause);
                self.tab(it.tab);
                self.out.push(u8::from(it.mode == Mode::Enforce));
            }
            Body::Metrics(it) => {
                self.begin(tag::METRICS, line);
                self.metrics(&(*it).into());
            }
            Body::PressureSignal(it) => {
                self.begin(tag::PRESSURE_SIGNAL, line);
                self.out.push(u8::from(it.severity == Severity::Critical));
            }
            Body::TabOpened(it) => {
                self.begin(tag::TAB_OPENED, line);
                self.facts(&it.clone().into());
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
                self.flags(&[it.protected]);
            }
            Body::TabLoaded(it) => {
                self.begin(tag::TAB_LOADED, line);
                self.tab(it.tab);
                self.optional(it.ms);
            }
            Body::TabChanged(it) => {
                self.begin(tag::TAB_CHANGED, line);
                self.tab(it.tab);
                self.flags(&[
                    it.pinned,
                    it.audible,
                    it.auto_discardable,
                    it.unsaved,
                    it.capturing,
                ]);
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
                self.out.push(u8::from(it.by == DiscardedBy::Other));
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
                self.unsigned(it.bytes);
                self.out.push(u8::from(it.how == MemorySource::Reclaimed));
            }
            Body::WindowFocused(it) => {
                self.begin(tag::WINDOW_FOCUSED, line);
                self.out.push(u8::from(it.win.is_some()));
                self.signed(it.win.map_or(0, |win| win.0));
            }
            Body::UserIdle(it) => {
                self.begin(tag::USER_IDLE, line);
                self.out.push(match it.state {
                    UserState::Active => 0,
                    UserState::Idle => 1,
                    UserState::Locked => 2,
                });
            }
            Body::DiscardOutcome(it) => {
                self.begin(tag::DISCARD_OUTCOME, line);
                self.seq(it.decision);
                self.tab(it.tab);
                self.out.push(u8::from(it.ok));
            }
            Body::Suspended(it) => {
                self.begin(tag::SUSPENDED, line);
                self.unsigned(it.ms);
            }
            _ if line.event().is_none() => return false,
            _ => {
                let mut text = Vec::new();
                line.write(&mut text);
                // The line's end stands for itself.
                text.pop();
                self.out.push(tag::LINE);
                self.unsigned(text.len() as u64);
                self.out.append(&mut text);
            }
        }
        true
    }

    /// What was written since it was cleared.
    pub(super) fn written(&self) -> &[u8] {
        &self.out
    }

    /// Forgets what was written, and keeps its place for what comes.
    pub(super) fn clear(&mut self) {
        self.out.clear();
    }

    /// The hosts, by their number.
    pub(super) fn hosts(&self) -> Vec<Arc<str>> {
        self.hosts.iter().cloned().collect()
    }

    /// Writes the tag, the place and the time.
    fn begin(&mut self, tag: u8, line: &Line) {
        self.out.push(tag);
        self.signed(line.seq.0.wrapping_sub(self.before.seq).cast_signed());
        self.signed(line.t_ms.wrapping_sub(self.before.t_ms));
        self.before.seq = line.seq.0;
        self.before.t_ms = line.t_ms;
    }

    fn metrics(&mut self, metrics: &Metrics) {
        let (whole, fractions) = (whole(metrics), fractions(metrics));
        let there =
            (whole.iter().map(Option::is_some)).chain(fractions.iter().map(Option::is_some));
        let there = (0..).zip(there).fold(0_u64, |bits, (bit, is_there)| {
            bits | u64::from(is_there) << bit
        });
        self.unsigned(there);
        self.flags(&[metrics.on_battery]);
        for (index, number) in whole.into_iter().enumerate() {
            if let Some(number) = number {
                let before = std::mem::replace(&mut self.before.whole[index], number);
                self.signed(number.wrapping_sub(before).cast_signed());
            }
        }
        for fraction in fractions.into_iter().flatten() {
            match in_hundredths(fraction) {
                Some(hundredths) => self.unsigned(hundredths << 1),
                None => {
                    self.unsigned(1);
                    self.out.extend_from_slice(&fraction.to_le_bytes());
                }
            }
        }
    }

    fn facts(&mut self, facts: &TabFacts) {
        self.tab(facts.tab);
        self.signed(facts.win.0);
        match &facts.page {
            None => self.page(None, false),
            Some(Page::Internal) => self.page(None, true),
            Some(Page::Web(host)) => self.page(Some(host), false),
        }
        self.flags(&[
            facts.protected,
            facts.active,
            facts.pinned,
            facts.audible,
            facts.discarded,
            facts.loading,
            facts.auto_discardable,
            facts.unsaved,
            facts.capturing,
        ]);
        self.out.push(u8::from(facts.last_accessed.is_some()));
        if let Some(t_ms) = facts.last_accessed {
            self.signed(t_ms.wrapping_sub(self.before.t_ms));
        }
    }

    fn page(&mut self, host: Option<&str>, is_internal: bool) {
        let number = match host {
            None => u64::from(is_internal),
            Some(host) => 2 + self.host(host),
        };
        self.unsigned(number);
    }

    fn host(&mut self, host: &str) -> u64 {
        let known = self.hosts.get_index_of(host);
        let index = known.unwrap_or_else(|| self.hosts.insert_full(host.into()).0);
        index as u64
    }

    /// Two bits each.
    fn flags(&mut self, flags: &[Option<bool>]) {
        let bits = |flag: &Option<bool>| flag.map_or(0, |flag| 1 + u64::from(flag));
        let packed = flags.iter().rev().map(bits);
        self.unsigned(packed.fold(0, |packed, flag| packed << 2 | flag));
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
        self.out.push(u8::from(number.is_some()));
        if let Some(number) = number {
            self.unsigned(number);
        }
    }

    fn signed(&mut self, number: i64) {
        self.unsigned(zigzag(number));
    }

    /// Seven bits a byte, the lowest first (LEB128).
    fn unsigned(&mut self, mut number: u64) {
        let mut bytes = [0; VARINT_BYTES];
        let mut length = 0;
        while number >= 0x80 {
            bytes[length] = number.to_le_bytes()[0] | 0x80;
            number >>= 7;
            length += 1;
        }
        bytes[length] = number.to_le_bytes()[0];
        self.out.extend_from_slice(&bytes[..=length]);
    }
}

/// Reads steps.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    hosts: Vec<Arc<str>>,
    before: Before,
}

impl<'a> Decoder<'a> {
    /// Begins with the first step.
    pub(super) fn new(bytes: &'a [u8], hosts: &[Arc<str>]) -> Self {
        Self {
            rest: bytes,
            // Of its own: replays side by side would wait for each other to count.
            hosts: hosts.iter().map(|host| Arc::from(&**host)).collect(),
            before: Before::default(),
        }
    }

    /// Whether there is no further step.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next step.
    pub(super) fn step(&mut self) -> Result<Step, Damaged> {
        let tag = self.byte()?;
        match tag {
            tag::LINE => return self.line(),
            tag::UNKNOWN => return Ok(Step::Unknown),
            _ => self.begin()?,
        }
        if tag == tag::DECIDED {
            return Ok(Step::Decided(RecordedDecision {
                seq: Seq(self.before.seq),
                cause: self.seq()?,
                tab: self.tab()?,
                mode: if self.bit()? {
                    Mode::Enforce
                } else {
                    Mode::Observe
                },
            }));
        }
        Ok(Step::Event(Event {
            seq: Seq(self.before.seq),
            t_ms: self.before.t_ms,
            input: self.input(tag)?,
        }))
    }

    fn input(&mut self, tag: u8) -> Result<Input, Damaged> {
        Ok(match tag {
            tag::METRICS => Input::Metrics(self.metrics()?),
            tag::PRESSURE_SIGNAL => Input::PressureSignal(if self.bit()? {
                Severity::Critical
            } else {
                Severity::Moderate
            }),
            tag::TAB_OPENED => Input::TabOpened(self.facts()?),
            tag::TAB_ACTIVATED => Input::TabActivated {
                tab: self.tab()?,
                win: self.win()?,
            },
            tag::TAB_NAVIGATED => {
                let (tab, page) = (self.tab()?, self.page()?);
                let [protected] = self.flags()?;
                Input::TabNavigated {
                    tab,
                    page,
                    protected,
                }
            }
            tag::TAB_LOADED => Input::TabLoaded {
                tab: self.tab()?,
                load_ms: self.optional()?,
            },
            tag::TAB_CHANGED => {
                let tab = self.tab()?;
                let [pinned, audible, auto_discardable, unsaved, capturing] = self.flags()?;
                let changes = TabChanges {
                    pinned,
                    audible,
                    auto_discardable,
                    unsaved,
                    capturing,
                };
                Input::TabChanged { tab, changes }
            }
            tag::TAB_MOVED => Input::TabMoved {
                tab: self.tab()?,
                win: self.win()?,
            },
            tag::TAB_REPLACED => {
                let old = self.tab()?;
                let tab = self.tab()?;
                Input::TabReplaced { tab, old }
            }
            tag::TAB_DISCARDED => Input::TabDiscarded {
                tab: self.tab()?,
                by: if self.bit()? {
                    DiscardedBy::Other
                } else {
                    DiscardedBy::Orchestrator
                },
            },
            tag::TAB_RESTORED => Input::TabRestored { tab: self.tab()? },
            tag::TAB_CLOSED => Input::TabClosed { tab: self.tab()? },
            tag::TAB_MEMORY => Input::TabMemory {
                tab: self.tab()?,
                bytes: self.unsigned()?,
                how: if self.bit()? {
                    MemorySource::Reclaimed
                } else {
                    MemorySource::Measured
                },
            },
            tag::WINDOW_FOCUSED => {
                let is_ours = self.bit()?;
                let win = self.win()?;
                Input::WindowFocused {
                    win: is_ours.then_some(win),
                }
            }
            tag::USER_IDLE => Input::UserIdle(match self.byte()? {
                0 => UserState::Active,
                1 => UserState::Idle,
                _ => UserState::Locked,
            }),
            tag::DISCARD_OUTCOME => Input::DiscardOutcome {
                decision: self.seq()?,
                tab: self.tab()?,
                ok: self.bit()?,
            },
            tag::SUSPENDED => Input::Suspended {
                ms: self.unsigned()?,
            },
            _ => return Err(Damaged("it has a step of no known kind")),
        })
    }

    fn line(&mut self) -> Result<Step, Damaged> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| CUT)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(CUT)?;
        self.rest = rest;
        let line = Line::parse(text).ok();
        let step = line.and_then(Step::of);
        step.ok_or(Damaged("a line in it cannot be read"))
    }

    fn begin(&mut self) -> Result<(), Damaged> {
        let seq = self.signed()?.cast_unsigned();
        self.before.seq = self.before.seq.wrapping_add(seq);
        self.before.t_ms = self.before.t_ms.wrapping_add(self.signed()?);
        Ok(())
    }

    fn metrics(&mut self) -> Result<Metrics, Damaged> {
        let mut there = self.unsigned()?;
        let [on_battery] = self.flags()?;
        let mut is_next_there = || {
            let is_there = there & 1 == 1;
            there >>= 1;
            is_there
        };
        let mut whole = [None; WHOLE];
        for (index, number) in whole.iter_mut().enumerate() {
            if is_next_there() {
                let difference = self.signed()?.cast_unsigned();
                let sum = self.before.whole[index].wrapping_add(difference);
                self.before.whole[index] = sum;
                *number = Some(sum);
            }
        }
        let mut fractions = [None; FRACTIONS];
        for fraction in &mut fractions {
            if is_next_there() {
                *fraction = Some(self.fraction()?);
            }
        }
        let [
            ram_total,
            ram_used,
            ram_available,
            swap_total,
            swap_used,
            browser_rss,
            browser_pss,
            processes,
        ] = whole;
        let [cpu, battery, psi_some_avg10, psi_full_avg10] = fractions;
        Ok(Metrics {
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
        })
    }

    fn fraction(&mut self) -> Result<f64, Damaged> {
        let number = self.unsigned()?;
        if number & 1 == 0 {
            return Ok((number >> 1) as f64 / HUNDREDTHS);
        }
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(CUT)?;
        self.rest = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    fn facts(&mut self) -> Result<TabFacts, Damaged> {
        let (tab, win, page) = (self.tab()?, self.win()?, self.page()?);
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
        ] = self.flags()?;
        let last_accessed = if self.bit()? {
            Some(self.before.t_ms.wrapping_add(self.signed()?))
        } else {
            None
        };
        Ok(TabFacts {
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
            last_accessed,
        })
    }

    fn page(&mut self) -> Result<Option<Page>, Damaged> {
        let number = self.unsigned()?;
        Ok(match number {
            0 => None,
            1 => Some(Page::Internal),
            _ => {
                let host = usize::try_from(number - 2).ok();
                let host = host.and_then(|number| self.hosts.get(number));
                let host = host.ok_or(Damaged("a host in it is not in its table"))?;
                Some(Page::Web(host.clone()))
            }
        })
    }

    fn flags<const N: usize>(&mut self) -> Result<[Option<bool>; N], Damaged> {
        let mut packed = self.unsigned()?;
        Ok(std::array::from_fn(|_| {
            let flag = packed & 3;
            packed >>= 2;
            (flag > 0).then_some(flag > 1)
        }))
    }

    fn seq(&mut self) -> Result<Seq, Damaged> {
        let back = self.signed()?.cast_unsigned();
        Ok(Seq(self.before.seq.wrapping_sub(back)))
    }

    fn tab(&mut self) -> Result<TabId, Damaged> {
        self.before.tab = self.before.tab.wrapping_add(self.signed()?);
        Ok(TabId(self.before.tab))
    }

    fn win(&mut self) -> Result<WindowId, Damaged> {
        self.signed().map(WindowId)
    }

    fn optional(&mut self) -> Result<Option<u64>, Damaged> {
        Ok(if self.bit()? {
            Some(self.unsigned()?)
        } else {
            None
        })
    }

    fn signed(&mut self) -> Result<i64, Damaged> {
        self.unsigned().map(unzigzag)
    }

    fn unsigned(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for (&byte, shift) in self.rest.iter().zip((0..64).step_by(7)) {
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                self.rest = &self.rest[shift / 7 + 1..];
                return Ok(number);
            }
        }
        Err(match self.rest.len() {
            0..VARINT_BYTES => CUT,
            _ => Damaged("a number in it is too long"),
        })
    }

    fn bit(&mut self) -> Result<bool, Damaged> {
        self.byte().map(|byte| byte != 0)
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        let (&byte, rest) = self.rest.split_first().ok_or(CUT)?;
        self.rest = rest;
        Ok(byte)
    }
}

const CUT: Damaged = Damaged("a step in it is cut off");
