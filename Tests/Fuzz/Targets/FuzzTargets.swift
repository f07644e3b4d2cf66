extension FuzzTarget {
    /// Every target, by the alphabet.
    static let all: [FuzzTarget] = [
        call, csv, envelope, filter, gatewayPath, head, http, infer, inferAnswer, json, order, pageToken, path, pipeline, plainHead,
        platformFile, predict, query, release, search,
    ].sorted { $0.name < $1.name }
}
