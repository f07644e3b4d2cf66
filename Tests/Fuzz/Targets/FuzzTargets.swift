extension FuzzTarget {
    /// Every target, by the alphabet.
    static let all: [FuzzTarget] = [
        call, csv, envelope, filter, gatewayPath, grpcInfer, head, http, infer, inferAnswer, json, modelConfig, order, pageToken, path,
        pipeline, plainHead, platformFile, predict, query, release, search,
    ].sorted { $0.name < $1.name }
}
