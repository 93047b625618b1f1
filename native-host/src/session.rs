//! The live loop's core: log, then engine, then log, then tell.
//!
//! It owns the log of one browser session and the engine on it. It starts no thread, waits for
//! nothing and reads no clock: moments come in as arguments, samples from a [`Sampler`], and what
//! the extension is to be told goes to a [`Port`].

mod answers;
mod opening;

use std::collections::VecDeque;

use engine::{Mode, Output, PolicyDocument, Reason, TabId};
use recorder::{
    Body, DropReason, Dropped, ExtEvent, Line, ModeChanged, Naming, OrderDropped, Paused,
    PolicyChanged, PolicySource, Privacy, Source, TabMemory, TraceWriter, WriteError,
};
use serde_json::Value;
use uuid::Uuid;

use crate::browser_memory::BrowserMemory;
use crate::clock::{Reading, TraceClock};
use crate::history::History;
use crate::kept::KeptKnowledge;
use crate::metrics::{Detail, Sampler};
use crate::names::Names;
use crate::orders::Orders;
use crate::protocol::{ErrorCode, ErrorMessage, Lost, Order, Outgoing};

pub use opening::Beginning;

/// How often the machine is sampled.
pub const SAMPLE_MS: i64 = 5_000;

/// How long after the beginning the first sample is taken: processor use is a difference of two
/// readings, and by then the extension has told what is open.
const FIRST_SAMPLE_MS: i64 = 1_000;

/// How often a sample holds the browser's memory.
const BROWSER_SAMPLE_MS: i64 = 60_000;

/// How long a line may stay unsynced. An acknowledgement comes within a second.
const SYNC_MS: i64 = 500;

/// Where the extension is told things.
pub trait Port {
    /// Sends a message. A port that broke swallows it; whoever owns the port notices.
    fn send(&mut self, message: &Outgoing);
}

/// What a session reaches the outside by.
pub struct Tools<'a> {
    /// To the extension.
    pub port: &'a mut dyn Port,
    /// To the machine.
    pub sampler: &'a mut dyn Sampler,
}

/// The log of one browser session, and the engine on it.
pub struct Session {
    writer: TraceWriter,
    history: History,
    clock: TraceClock,
    orders: Orders,
    /// Orders whose decisions are written and not synced: nobody was told of them.
    unsynced_orders: Vec<Order>,
    has_unsynced_decision: bool,
    /// What has to be written again after a failed sync.
    again: VecDeque<Line>,
    unsynced_since_ms: Option<i64>,
    acknowledged_n: u64,
    /// What the log begins with, where that is known. See [`Session::begin_with`].
    first_n: Option<u64>,
    next_sample_ms: i64,
    /// When the machine was sampled last, on the awake clock.
    last_sample_ms: Option<i64>,
    next_browser_sample_ms: i64,
    browser_memory: BrowserMemory,
    lost_samples: u64,
    naming: Naming,
    /// The policy as people wrote it. The log's may have other names on its lists.
    policy: PolicyDocument,
    names: Names,
}

impl Session {
    /// Takes in what happened in the browser, in the extension's words.
    ///
    /// # Errors
    /// If the log cannot be written. What was not acknowledged then is to be sent again.
    pub fn take_events(
        &mut self,
        events: &[Value],
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<(), WriteError> {
        self.look(now)?;
        for event in events {
            let Some(n) = event.get("n").and_then(Value::as_u64).filter(|&n| n > 0) else {
                let problem = "events: found one without an `n` of 1 or more";
                let error = ErrorMessage::bug(ErrorCode::BadMessage, problem);
                tools.port.send(&error.into());
                break;
            };
            if n <= self.writer.last_n() {
                continue;
            }
            if let Err(error) = self.expect_n(n) {
                tools.port.send(&error.into());
                break;
            }
            self.take_event(event, n, now, tools)?;
        }
        self.settle(now, tools)
    }

    fn take_event(
        &mut self,
        event: &Value,
        n: u64,
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<(), WriteError> {
        let Err(problem) = self.record_event(event, n, now)? else {
            return Ok(());
        };
        let dropped = Dropped {
            from: Some(n),
            count: 1,
            why: "bad_event".to_owned(),
        };
        self.record(now, Body::Dropped(dropped))?;
        let error = ErrorMessage::bug(ErrorCode::BadEvent, problem).adding("n", n);
        tools.port.send(&error.into());
        Ok(())
    }

    /// Logs an event of the extension's; or says what keeps it from being one of this log's.
    fn record_event(
        &mut self,
        event: &Value,
        n: u64,
        now: Reading,
    ) -> Result<Result<(), String>, WriteError> {
        let refuse = |problem: &str| Ok(Err(problem.to_owned()));
        if is_private(event) {
            return refuse(
                "found an event of a private window, and private windows are never recorded",
            );
        }
        let (at_ms, told) = match ExtEvent::from_value(event) {
            Ok(ExtEvent { at_ms, body, .. }) => (at_ms, body),
            Err(error) => return refuse(&error.to_string()),
        };
        // One that was on its way while another log was begun names a decision of that before.
        if matches!(&told, Body::DiscardOutcome(it) if !self.history.awaits(it)) {
            return refuse("found the outcome of a decision that this log does not await");
        }
        let mut body = told.clone();
        self.naming.rename(&mut body, &self.policy);
        // It waited in the outbox and keeps its time; a clock that is ahead of ours does not take
        // the log ahead.
        let t_ms = self.clock.t_ms_of_wall(at_ms).min(self.clock.t_ms(now));
        // Before the engine decides, whose orders name the host.
        self.names.note(&told);
        let event = Entry {
            n: Some(n),
            at_ms: Some(at_ms),
            ..Entry::of(Source::Ext, t_ms, body)
        };
        match self.record_entry(event) {
            Ok(()) => {
                self.orders.note(&told, now.boot_ms);
                self.browser_memory.happened(&told);
                Ok(Ok(()))
            }
            Err(
                error @ (WriteError::BadLine(_)
                | WriteError::TooLong { .. }
                | WriteError::OutOfOrder(_)),
            ) => refuse(&error.to_string()),
            Err(error) => Err(error),
        }
    }

    /// Takes in that events are lost.
    ///
    /// # Errors
    /// As [`Session::take_events`].
    pub fn take_lost(
        &mut self,
        lost: &Lost,
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<(), WriteError> {
        self.look(now)?;
        let end = lost.from.saturating_add(lost.count);
        // Those that the log has are not lost.
        let first = lost.from.max(self.writer.last_n() + 1);
        if first >= end {
            return Ok(());
        }
        if let Err(error) = self.expect_n(first) {
            tools.port.send(&error.into());
            return Ok(());
        }
        let dropped = Dropped {
            from: Some(first),
            count: end - first,
            why: lost.why.name().to_owned(),
        };
        match self.record(now, Body::Dropped(dropped)) {
            Err(error @ (WriteError::BadLine(_) | WriteError::TooLong { .. })) => {
                let error = ErrorMessage::bug(ErrorCode::BadMessage, error.to_string());
                tools.port.send(&error.into());
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => self.settle(now, tools),
        }
    }

    /// Whether an event may come next. A log that has none yet takes whatever comes first, unless
    /// it has to begin with a certain one: what was before it went to another log.
    fn expect_n(&self, n: u64) -> Result<(), Box<ErrorMessage>> {
        let last = self.writer.last_n();
        let expected = match self.first_n {
            _ if last > 0 => last + 1,
            Some(first) if n > first => first,
            _ => return Ok(()),
        };
        if n == expected {
            return Ok(());
        }
        let problem = format!("found the event {n}, expected {expected}");
        let fix = "send again from the expected event on";
        Err(ErrorMessage::new(ErrorCode::EventGap, problem, fix).adding("expected", expected))
    }

    /// Takes another policy into force.
    ///
    /// # Errors
    /// As [`Session::take_events`].
    pub fn change_policy(
        &mut self,
        policy: &PolicyDocument,
        by: PolicySource,
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<(), WriteError> {
        self.look(now)?;
        self.record_policy(policy, by, now)?;
        self.settle(now, tools)
    }

    /// Whether the marks on protected tabs are those of this policy's list. Under names of the log
    /// they alone tell what is protected, and until a tab loads or is told anew it has the one that
    /// it had; so another list needs another log.
    pub fn marks_hold(&self, policy: &PolicyDocument) -> bool {
        self.naming == Naming::Hostname || self.policy.protected_domains == policy.protected_domains
    }

    /// Carries decisions out from here on, or only notes them.
    ///
    /// # Errors
    /// As [`Session::take_events`].
    pub fn set_mode(
        &mut self,
        mode: Mode,
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<(), WriteError> {
        self.tell_and_settle(Body::ModeChanged(ModeChanged { mode }), now, tools)
    }

    /// Decides nothing until a moment of the wall clock; `None` ends a pause.
    ///
    /// # Errors
    /// As [`Session::take_events`].
    pub fn pause(
        &mut self,
        until_wall_ms: Option<i64>,
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<(), WriteError> {
        self.look(now)?;
        let until_ms = until_wall_ms.map(|until| self.clock.t_ms_of_wall(until));
        self.tell_and_settle(Body::Paused(Paused { until_ms }), now, tools)
    }

    fn tell_and_settle(
        &mut self,
        body: Body,
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<(), WriteError> {
        self.look(now)?;
        self.record(now, body)?;
        self.settle(now, tools)
    }

    /// Does what is due: samples, syncs, measures, checkpoints, rotates.
    ///
    /// # Errors
    /// As [`Session::take_events`].
    pub fn tick(&mut self, now: Reading, tools: &mut Tools<'_>) -> Result<(), WriteError> {
        self.look(now)?;
        if let Some(discarded) = self.orders.settle(now.boot_ms) {
            let after = self.measure_browser(now, tools)?;
            self.record_freed(discarded.tab, discarded.before_bytes, after, now)?;
        }
        if now.boot_ms >= self.next_sample_ms {
            let detail = if now.boot_ms >= self.next_browser_sample_ms {
                Detail::WithBrowser
            } else {
                Detail::Machine
            };
            // From now on, not from when it was due: after a sleep there is one sample, not many.
            self.next_sample_ms = now.boot_ms + SAMPLE_MS;
            self.sample(detail, now, tools)?;
            // At rest this is the one moment that the host is awake: it does not wake once more
            // for the sync.
            self.sync()?;
        }
        self.settle(now, tools)
    }

    /// Somebody looks, and may wish for memory next: measures the browser's, where it was not lately,
    /// so that an order that is waited for need not wait for that.
    ///
    /// # Errors
    /// As [`Session::take_events`].
    pub fn expect_wish(&mut self, now: Reading, tools: &mut Tools<'_>) -> Result<(), WriteError> {
        if self.orders.is_one_open() || !self.browser_memory.is_wanted(now.boot_ms) {
            return Ok(());
        }
        self.look(now)?;
        self.sample(Detail::AroundDiscard, now, tools)?;
        self.settle(now, tools)
    }

    /// When [`Session::tick`] has something to do, in boot time.
    pub fn due_ms(&self) -> i64 {
        let sync = self.unsynced_since_ms.map(|since| since + SYNC_MS);
        [sync, self.orders.due_ms()]
            .into_iter()
            .flatten()
            .fold(self.next_sample_ms, i64::min)
    }

    /// Seals the log.
    ///
    /// # Errors
    /// As [`Session::take_events`]. What is on the disk then can be gone on with.
    pub fn close(mut self, now: Reading, tools: &mut Tools<'_>) -> Result<(), WriteError> {
        self.look(now)?;
        self.sync()?;
        self.acknowledge(tools);
        self.drop_orders(DropReason::HostStopped, now)?;
        let state = self.history.engine().state_hash();
        self.writer.close(self.clock.t_ms(now), Some(&state))
    }

    /// Sets the event that a log without one begins with, or with one before it. What is missing
    /// at its beginning is sent again, but what follows it may arrive first: a log that began with
    /// that would take all before for known.
    pub fn begin_with(&mut self, first_n: Option<u64>) {
        self.first_n = first_n;
    }

    /// The trace's id.
    pub fn id(&self) -> Uuid {
        self.writer.header().session
    }

    /// The highest `n` that the log has; 0 for none.
    pub fn last_n(&self) -> u64 {
        self.writer.last_n()
    }

    /// The event up to which all are on the disk and told to be.
    pub fn acknowledged_n(&self) -> u64 {
        self.acknowledged_n
    }

    /// What a later session should know of the hosts.
    pub fn knowledge(&self) -> KeptKnowledge {
        KeptKnowledge {
            privacy: self.privacy(),
            hosts: self.history.engine().knowledge(),
        }
    }

    /// How hostnames are written.
    pub fn privacy(&self) -> Privacy {
        self.naming.privacy()
    }

    /// Logs that the machine slept or the wall clock was set, before anything that comes after.
    fn look(&mut self, now: Reading) -> Result<(), WriteError> {
        let mut has_slept = false;
        // The clock has moved on when the log has it, not before: after a failure it is told.
        let mut clock = self.clock;
        while let Some(body) = clock.look(now) {
            has_slept |= matches!(body, Body::Suspended(_));
            self.record(now, body)?;
            self.clock = clock;
        }
        if has_slept {
            // What was decided before has had its moment.
            self.orders.let_go();
            self.drop_orders(DropReason::Slept, now)?;
        }
        Ok(())
    }

    /// Drops all orders that were not sent.
    fn drop_orders(&mut self, why: DropReason, now: Reading) -> Result<(), WriteError> {
        // What a line names has to be on the disk: after a failed sync it may get another seq.
        if self.has_unsynced_decision {
            self.sync()?;
        }
        while self.orders.first().is_some() {
            self.drop_first_order(why, now)?;
        }
        Ok(())
    }

    fn drop_first_order(&mut self, why: DropReason, now: Reading) -> Result<(), WriteError> {
        let Some(&Order { decision, tab, .. }) = self.orders.first() else {
            return Ok(());
        };
        let dropped = OrderDropped {
            decision,
            tab,
            why: why.to_string(),
        };
        self.record(now, Body::OrderDropped(dropped))?;
        self.unsynced_since_ms.get_or_insert(now.boot_ms);
        self.orders.drop_first();
        Ok(())
    }

    /// Logs a policy, with its lists under the names of the log.
    fn record_policy(
        &mut self,
        policy: &PolicyDocument,
        by: PolicySource,
        now: Reading,
    ) -> Result<(), WriteError> {
        let logged = self.naming.policy(policy);
        let body = Body::PolicyChanged(PolicyChanged {
            policy_hash: logged.hash(),
            policy: Box::new(logged),
            by,
        });
        self.record(now, body)?;
        self.policy = policy.clone();
        Ok(())
    }

    /// Logs something of the host's own, now.
    fn record(&mut self, now: Reading, body: Body) -> Result<(), WriteError> {
        self.record_entry(Entry::of(Source::Host, self.clock.t_ms(now), body))
    }

    /// Logs an input, steps the engine, and logs what it answers.
    fn record_entry(&mut self, input: Entry) -> Result<(), WriteError> {
        let t_ms = self.write(input)?.t_ms;
        self.write_awaited(t_ms)
    }

    /// Logs what the engine answered and the log does not have yet.
    fn write_awaited(&mut self, t_ms: i64) -> Result<(), WriteError> {
        while let Some(output) = self.history.awaited() {
            self.has_unsynced_decision |= matches!(output, Output::Decision(_));
            let order = self.order_of(output);
            let body = Body::from(output.clone());
            let decision = self.write(Entry::of(Source::Engine, t_ms, body))?.seq;
            self.unsynced_orders
                .extend(order.map(|order| Order { decision, ..order }));
        }
        Ok(())
    }

    /// Writes a line, and has the engine follow it.
    fn write(&mut self, entry: Entry) -> Result<Line, WriteError> {
        let Entry {
            t_ms,
            src,
            n,
            at_ms,
            body,
        } = entry;
        let t_ms = t_ms.max(self.writer.last_t_ms());
        let seq = self.writer.append(t_ms, src, n, at_ms, &body)?;
        let line = Line {
            seq,
            t_ms,
            src,
            n,
            at_ms,
            body,
        };
        self.history.follow(&line);
        Ok(line)
    }

    /// The order that a decision leads to, without its seq; `None` for what is only noted.
    fn order_of(&self, output: &Output) -> Option<Order> {
        let Output::Decision(decision) = output else {
            return None;
        };
        if decision.mode != Mode::Enforce {
            return None;
        }
        let world = self.history.engine().world();
        let host = match self.naming {
            Naming::Hostname => world.tab(decision.tab).and_then(|tab| world.host_of(tab)),
            Naming::Site(_) | Naming::KeyedHash(_) => self.names.of(decision.tab),
        };
        Some(Order {
            decision: engine::Seq(0),
            tab: decision.tab,
            host: host.map(str::to_owned),
            reasons: decision.reasons.clone(),
            level: decision.level,
            score: decision.score,
            idle_ms: decision.idle_ms,
            ttl_ms: decision.ttl_ms,
            in_focus: decision.in_focus,
        })
    }

    /// After lines were written: syncs what has to be now, sends the next order, keeps the log's
    /// checkpoints and segments, and tells what may be told.
    fn settle(&mut self, now: Reading, tools: &mut Tools<'_>) -> Result<(), WriteError> {
        if self.writer.unsynced_lines() > 0 || self.has_unsynced_decision {
            let since = *self.unsynced_since_ms.get_or_insert(now.boot_ms);
            if self.has_unsynced_decision || now.boot_ms >= since + SYNC_MS {
                self.sync()?;
            }
        }
        // Before what takes time: somebody waits for it.
        self.send_next_order(now, tools)?;
        let t_ms = self.clock.t_ms(now);
        if self.writer.rotation_due(t_ms) {
            let state = self.history.engine().state_hash();
            let rotation = self.writer.rotate(t_ms, Some(&state))?;
            if let Err(error) = rotation.compressed {
                crate::report(format_args!("a closed segment stays uncompressed: {error}"));
            }
            self.sync()?;
        } else if self.writer.checkpoint_due(t_ms) {
            let state = self.history.engine().state_hash();
            self.writer.checkpoint(t_ms, Some(&state))?;
            self.sync()?;
        }
        self.acknowledge(tools);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), WriteError> {
        self.writer.sync()?;
        self.unsynced_since_ms = None;
        self.has_unsynced_decision = false;
        for order in self.unsynced_orders.drain(..) {
            self.orders.push(order);
        }
        Ok(())
    }

    fn acknowledge(&mut self, tools: &mut Tools<'_>) {
        // The writer syncs by itself, too, when many lines are unsynced.
        let n = self.writer.synced_n();
        if n > self.acknowledged_n {
            self.acknowledged_n = n;
            tools.port.send(&Outgoing::Ack { n });
        }
    }

    fn send_next_order(&mut self, now: Reading, tools: &mut Tools<'_>) -> Result<(), WriteError> {
        // It waited for those before it, and much may have happened meanwhile.
        while !self.orders.is_one_open()
            && let Some(why) = self.why_first_falls()
        {
            self.drop_first_order(why, now)?;
        }
        let first = self.orders.first().filter(|_| !self.orders.is_one_open());
        let Some(first) = first else { return Ok(()) };
        let is_waited_for = first.reasons.contains(&Reason::Requested);
        let before = if is_waited_for {
            self.browser_memory.lately(now.boot_ms)
        } else {
            self.measure_browser(now, tools)?
        };
        // What could fail is done: it is open when it is sent, and not before.
        let Some(order) = self.orders.send_first(before, now.boot_ms).cloned() else {
            return Ok(());
        };
        tools.port.send(&Outgoing::DiscardTab(order));
        if self.has_unsynced_decision {
            self.sync()?;
        }
        Ok(())
    }

    /// Why the first order that waits is not sent; `None` where it is, or there is none.
    fn why_first_falls(&self) -> Option<DropReason> {
        let order = self.orders.first()?;
        if self.orders.is_first_outdone() {
            return Some(DropReason::DecidedAgain);
        }
        let engine = self.history.engine();
        let lapse = (engine.policy()).lapse(&engine.world(), order.tab, &order.reasons);
        lapse.map(DropReason::Lapsed)
    }

    /// Returns the browser's memory now. The measure at the end of one discard serves for the
    /// beginning of the next.
    fn measure_browser(
        &mut self,
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<Option<u64>, WriteError> {
        if self.browser_memory.now(now.boot_ms).is_none() {
            self.sample(Detail::AroundDiscard, now, tools)?;
        }
        Ok(self.browser_memory.now(now.boot_ms))
    }

    fn sample(
        &mut self,
        detail: Detail,
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<(), WriteError> {
        let metrics = tools.sampler.sample(detail);
        self.last_sample_ms = Some(now.awake_ms);
        if detail == Detail::AroundDiscard || metrics.browser_pss.is_some() {
            self.browser_memory.note(metrics.browser_pss, now.boot_ms);
        }
        if detail != Detail::Machine {
            self.next_browser_sample_ms = now.boot_ms + BROWSER_SAMPLE_MS;
        }
        self.record(now, Body::Metrics(metrics))?;
        if self.writer.unsynced_lines() > 0 {
            self.unsynced_since_ms.get_or_insert(now.boot_ms);
        }
        Ok(())
    }

    fn record_freed(
        &mut self,
        tab: TabId,
        before: Option<u64>,
        after: Option<u64>,
        now: Reading,
    ) -> Result<(), WriteError> {
        let Some((before, after)) = before.zip(after) else {
            return Ok(());
        };
        let is_there = self.history.engine().world().tab(tab).is_some();
        match before
            .checked_sub(after)
            .filter(|&bytes| bytes > 0 && is_there)
        {
            Some(bytes) => {
                let how = engine::MemorySource::Reclaimed;
                self.record(now, Body::TabMemory(TabMemory { tab, bytes, how }))
            }
            None => Ok(()),
        }
    }
}

/// What is to be a line of the log: a [`Line`] that has no place there yet.
struct Entry {
    /// The time that it gets, unless the line before has a later one.
    t_ms: i64,
    src: Source,
    n: Option<u64>,
    at_ms: Option<i64>,
    body: Body,
}

impl Entry {
    /// An entry that is not numbered by the extension.
    fn of(src: Source, t_ms: i64, body: Body) -> Self {
        Self {
            t_ms,
            src,
            n: None,
            at_ms: None,
            body,
        }
    }
}

impl From<Line> for Entry {
    fn from(line: Line) -> Self {
        Self {
            n: line.n,
            at_ms: line.at_ms,
            ..Self::of(line.src, line.t_ms, line.body)
        }
    }
}

/// Whether an event says that it, or a part of it, comes from a private window. The extension
/// drops such things and has no field for them: this holds if that ever fails.
fn is_private(event: &Value) -> bool {
    let parts = ["tabs", "windows"]
        .into_iter()
        .filter_map(|list| event.get(list)?.as_array());
    std::iter::once(event)
        .chain(parts.flatten())
        .any(|part| part.get("incognito").and_then(Value::as_bool) == Some(true))
}
