//! The options of `raw`.

riverrun_base::option_enum! {
    /// The order of a number's bytes.
    pub(super) enum Endianness {
        /// The most significant byte first.
        "big-endian" => Big,
        /// The least significant byte first.
        "little-endian" => Little,
    }
}

riverrun_base::options! {
    /// Options of the format `raw`.
    pub(super) struct RawOptions {
        /// The encoding of texts; `UTF-8` is the only one so far.
        "charset" => charset: String = "UTF-8",
        /// The order of the bytes of numbers.
        "endianness" => endianness: Endianness = "big-endian",
    }
}
