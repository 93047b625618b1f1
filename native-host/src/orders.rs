//! Orders to discard: one at a time, and what each was seen to free.
//!
//! The browser's memory is measured before an order goes out and once more when the discard has
//! settled. The next order waits for that, so that what is measured is the work of one discard. An
//! order that somebody waits for goes by a measure that was made shortly before; where there is
//! none, what its discard frees is not known.
//!
//! While an order waits much may happen. So when its turn comes it is asked whether its decision
//! still stands, and one that is dropped is taken out when the log says so, not before.

use std::collections::VecDeque;

use engine::{DiscardedBy, TabId};
use recorder::Body;

use crate::browser_memory::moves_memory;
use crate::protocol::Order;

/// How long an outcome is waited for, in milliseconds. The engine waits as long.
const OUTCOME_MS: i64 = 30_000;

/// How long after an outcome the memory is measured, in milliseconds. Renderers were seen to be
/// gone 43 to 110 ms after the call.
const SETTLE_MS: i64 = 300;

/// The orders of a session.
#[derive(Debug, Default)]
pub struct Orders {
    waiting: VecDeque<Order>,
    open: Option<OpenOrder>,
}

/// The order that is being carried out.
#[derive(Debug)]
struct OpenOrder {
    order: Order,
    /// The tab's present id.
    tab: TabId,
    /// The browser's memory at the beginning, in bytes.
    before_bytes: Option<u64>,
    /// Whether nothing else was seen to take or free memory since.
    is_alone: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Sent; the outcome is waited for until then.
    Sent { until_ms: i64 },
    /// Discarded; the memory is measured then.
    Settling { until_ms: i64 },
}

/// What a discard that was done alone was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// The tab's present id.
    pub tab: TabId,
    /// The browser's memory before, in bytes; `None` where it was not measured, or where something
    /// else took or freed memory meanwhile.
    pub before_bytes: Option<u64>,
}

impl Orders {
    /// Adds an order at the end.
    pub fn push(&mut self, order: Order) {
        self.waiting.push_back(order);
    }

    /// Whether one is being carried out, so that it is no other's turn.
    pub fn is_one_open(&self) -> bool {
        self.open.is_some()
    }

    /// The first order that waits.
    pub fn first(&self) -> Option<&Order> {
        self.waiting.front()
    }

    /// Whether the tab of the first order was decided on once more: that gave the decision before
    /// up.
    pub fn is_first_outdone(&self) -> bool {
        let mut waiting = self.waiting.iter();
        let first = waiting.next();
        first.is_some_and(|first| waiting.any(|later| later.tab == first.tab))
    }

    /// Takes the first order out. A later one for its tab takes its turn.
    pub fn drop_first(&mut self) {
        let dropped = self.waiting.pop_front();
        let is_later = |later: &Order| dropped.as_ref().is_some_and(|it| it.tab == later.tab);
        let place = self.waiting.iter().position(is_later);
        if let Some(later) = place.and_then(|place| self.waiting.remove(place)) {
            self.waiting.push_front(later);
        }
    }

    /// Waits no longer for the outcome of the open order.
    pub fn let_go(&mut self) {
        self.open = None;
    }

    /// Returns the order to send now, before which the browser takes so many bytes, where that is
    /// known; `None` while one is open.
    pub fn send_first(&mut self, before_bytes: Option<u64>, now_ms: i64) -> Option<&Order> {
        if self.open.is_some() {
            return None;
        }
        let order = self.waiting.pop_front()?;
        let open = self.open.insert(OpenOrder {
            tab: order.tab,
            order,
            before_bytes,
            is_alone: true,
            stage: Stage::Sent {
                until_ms: now_ms + OUTCOME_MS,
            },
        });
        Some(&open.order)
    }

    /// Takes in what happened in the browser.
    pub fn note(&mut self, body: &Body, now_ms: i64) {
        let Some(open) = &mut self.open else { return };
        match body {
            Body::DiscardOutcome(it) if it.decision == open.order.decision => {
                if it.ok {
                    open.stage = Stage::Settling {
                        until_ms: now_ms + SETTLE_MS,
                    };
                } else {
                    self.open = None;
                }
            }
            Body::TabReplaced(it) if it.old == open.tab => open.tab = it.tab,
            Body::TabDiscarded(it) if it.tab == open.tab && it.by == DiscardedBy::Orchestrator => {}
            _ if moves_memory(body) => open.is_alone = false,
            _ => {}
        }
    }

    /// When [`Orders::settle`] has something to do.
    pub fn due_ms(&self) -> Option<i64> {
        self.open.as_ref().map(|open| match open.stage {
            Stage::Sent { until_ms } | Stage::Settling { until_ms } => until_ms,
        })
    }

    /// Ends the open order if its time has come. `Some` when the memory is to be measured.
    pub fn settle(&mut self, now_ms: i64) -> Option<Discarded> {
        if self.due_ms()? > now_ms {
            return None;
        }
        let open = self.open.take()?;
        match open.stage {
            Stage::Sent { .. } => None,
            Stage::Settling { .. } => Some(Discarded {
                tab: open.tab,
                before_bytes: open.before_bytes.filter(|_| open.is_alone),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::{Level, Seq};
    use recorder::{DiscardOutcome, TabDiscarded, TabReplaced, TabRestored};

    use super::*;

    fn order(decision: u64) -> Order {
        Order {
            decision: Seq(decision),
            tab: TabId(i64::try_from(decision).unwrap() * 10),
            host: None,
            reasons: Vec::new(),
            level: Level::High,
            score: 90,
            idle_ms: 0,
            ttl_ms: 0,
            in_focus: false,
        }
    }

    fn outcome(decision: u64, ok: bool) -> Body {
        let tab = order(decision).tab;
        Body::DiscardOutcome(DiscardOutcome {
            decision: Seq(decision),
            tab,
            ok,
            why: None,
        })
    }

    fn sent(orders: &mut Orders, now_ms: i64) -> Option<u64> {
        let order = orders.send_first(Some(500), now_ms);
        order.map(|order| order.decision.0)
    }

    #[test]
    fn one_order_is_open_until_its_outcome_has_settled() {
        let mut orders = Orders::default();
        (1..=4).for_each(|decision| orders.push(order(decision)));
        assert_eq!(sent(&mut orders, 0), Some(1));
        assert_eq!(sent(&mut orders, 0), None);
        orders.note(
            &Body::TabReplaced(TabReplaced {
                tab: TabId(11),
                old: TabId(10),
            }),
            40,
        );
        let by = DiscardedBy::Orchestrator;
        orders.note(&Body::TabDiscarded(TabDiscarded { tab: TabId(11), by }), 45);
        orders.note(&outcome(9, true), 50);
        assert_eq!(
            orders.due_ms(),
            Some(30_000),
            "the outcome of another order is none of this"
        );
        orders.note(&outcome(1, true), 50);
        assert_eq!(sent(&mut orders, 60), None);
        assert_eq!(orders.settle(349), None);
        let expect = Discarded {
            tab: TabId(11),
            before_bytes: Some(500),
        };
        assert_eq!(orders.settle(350), Some(expect));

        assert_eq!(sent(&mut orders, 350), Some(2));
        orders.note(&outcome(2, false), 360);
        assert_eq!(
            sent(&mut orders, 360),
            Some(3),
            "a refusal has nothing to settle"
        );
        assert_eq!(orders.settle(30_359), None);
        assert_eq!(
            orders.settle(30_360),
            None,
            "without an outcome there is nothing to measure"
        );
        assert_eq!(sent(&mut orders, 30_360), Some(4));
    }

    #[test]
    fn a_later_order_for_a_tab_outdoes_the_first_and_takes_its_turn() {
        let mut orders = Orders::default();
        let later = Order {
            decision: Seq(9),
            ..order(2)
        };
        for order in [order(1), order(2), order(3), later] {
            orders.push(order);
        }
        let mut turns = Vec::new();
        while let Some(first) = orders.first() {
            turns.push((first.decision.0, orders.is_first_outdone()));
            orders.drop_first();
        }
        assert_eq!(turns, [(1, false), (2, true), (9, false), (3, false)]);
    }

    #[test]
    fn what_happens_beside_a_discard_spoils_its_measure() {
        let mut orders = Orders::default();
        orders.push(order(1));
        assert_eq!(sent(&mut orders, 0), Some(1));
        orders.note(&outcome(1, true), 50);
        orders.note(&Body::TabRestored(TabRestored { tab: TabId(77) }), 60);
        let expect = Discarded {
            tab: TabId(10),
            before_bytes: None,
        };
        assert_eq!(orders.settle(400), Some(expect));
    }
}
