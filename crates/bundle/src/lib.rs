//! The connectors of this build.
