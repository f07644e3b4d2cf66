extension StringProtocol {
    /// What stands between the slashes, as a file system sees it: empty parts are parts.
    ///
    /// `split` goes by characters, and a slash with a combining mark behind it is a character of its own:
    /// it finds no `..` in `../\u{301}x`, where every file system does.
    public var pathParts: [String] {
        utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }
}
