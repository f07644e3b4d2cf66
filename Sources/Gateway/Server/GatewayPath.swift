/// What a request on the fast path asks for, read from its path alone.
enum GatewayPath: Equatable {
    /// `/predict`
    case predict
    /// `/models/{model}/predict`
    case predictModel(Substring)
    /// `/variant/{alias}/predict`
    case predictVariant(Substring)
    /// `/v2/models/{model}[/versions/{version}]/infer`
    case infer(model: Substring, version: Substring?)

    init?(_ path: String) {
        if path == "/predict" {
            self = .predict
        } else if let model = Self.between(path, "/models/", "/predict") {
            self = .predictModel(model)
        } else if let alias = Self.between(path, "/variant/", "/predict") {
            self = .predictVariant(alias)
        } else if let rest = Self.rest(path, "/v2/models/", "/infer") {
            guard let slash = rest.utf8.firstIndex(of: UInt8(ascii: "/")) else {
                self = .infer(model: rest, version: nil)
                return
            }
            guard slash > rest.startIndex, let version = Self.between(String(rest[slash...]) + "/", "/versions/", "/") else { return nil }
            self = .infer(model: rest[..<slash], version: version)
        } else {
            return nil
        }
    }

    /// One segment between the two texts.
    private static func between(_ path: String, _ start: String, _ end: String) -> Substring? {
        guard let rest = rest(path, start, end), !rest.utf8.contains(UInt8(ascii: "/")) else { return nil }
        return rest
    }

    private static func rest(_ path: String, _ start: String, _ end: String) -> Substring? {
        let bytes = path.utf8
        guard bytes.count > start.utf8.count + end.utf8.count, bytes.starts(with: start.utf8),
            bytes.suffix(end.utf8.count).elementsEqual(end.utf8)
        else { return nil }
        return Substring(bytes.dropFirst(start.utf8.count).dropLast(end.utf8.count))
    }
}
