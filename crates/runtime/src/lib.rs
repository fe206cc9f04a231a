//! Job graph, tasks, channels, exchanges, metrics.
