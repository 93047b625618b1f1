//! The engine as a whole, from outside: against a model, under properties, and rule by rule.

mod agreement;
mod generate;
mod model;
mod properties;
mod rules;
mod scene;
mod watch;
