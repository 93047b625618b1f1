//! Many variants of a policy over many traces: what is varied, which variants there are, the units
//! of work that they make, and the rows that come of them.
//!
//! A [`Unit`] is one policy on one trace. It says all that its answer depends on, and its id is a
//! hash of that: so it can be carried out anywhere, any number of times, in any order, and the
//! [`Row`] that comes of it is the same bytes. Nothing here reads a file or starts a thread.

mod design;
mod row;
mod space;
mod unit;

pub use design::{Design, MOST_VARIANTS, Variant};
pub use row::{Column, FrontierRow, Holds, Row, columns_table};
pub use space::{Dimension, Space, SpaceError};
pub use unit::{Conditions, Task, Unit, UnitTrace, UnitType, Version, document};
