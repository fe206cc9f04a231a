//! What a program is told from outside.

mod arguments;
mod parameter_tool;

pub(crate) use arguments::Arguments;
pub use parameter_tool::ParameterTool;
