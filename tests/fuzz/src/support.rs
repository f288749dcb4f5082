//! The oracle for the legacy bytes, as the plain tests have it.

#[path = "../../support/convert.rs"]
pub mod convert;
#[path = "../../support/model.rs"]
pub mod model;
#[path = "../../support/strict.rs"]
pub mod strict;
