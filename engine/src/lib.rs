mod event;
mod policy_document;
pub use event::*;
pub use policy_document::*;
