import HTTPTypes
import SlipwayCore
import SlipwayTracking

@testable import SlipwayTrackingServer

extension FuzzTarget {
    /// Lines: method, target, then headers. What is decided from a request's head alone is decided for any head; without
    /// a valid token nothing is granted but what is open to everybody.
    static let head = FuzzTarget(
        name: "head",
        seeds: [
            "GET\n/api/2.0/mlflow/runs/get?run_id=a\nhost: 127.0.0.1:5000\nrange: bytes=0-99,-5",
            "POST\n/ajax-api/2.0/mlflow/runs/search\nauthorization: Basic dTpw\norigin: http://evil",
            "PUT\n/api/2.0/mlflow-artifacts/mpu/parts/a/1\ncontent-md5: 1B2M2Y8AsgTpgAmY7PhCfg==\nrepr-digest: sha-256=:AAAA:;a, md5=:x:",
            "GET\n/x\nif-range: \"a\"\nif-match: W/\"b\", *\nif-none-match: \"\"\nrange: bytes=5-\nx-slipway-sha256: ABC",
            "DELETE\n/api/2.0/mlflow/runs/search\nauthorization: Bearer slipway_00\nhost: [::1]:99",
        ],
        words: [
            "authorization: Bearer ", "authorization: Basic ", "range: bytes=", "if-range: ", "if-match: ", "if-none-match: ", "origin: http://", "host: ",
            "repr-digest: sha-256=:", "content-digest: ", "x-slipway-sha256: ", "content-md5: ", "W/\"", "*", "18446744073709551616", "mlflow-artifacts/granted/",
        ]
    ) { input in
        let lines = String(decoding: input, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count > 1, let method = HTTPRequest.Method(lines[0]) else { return .refused }
        var fields = HTTPFields()
        var host: String?
        for line in lines.dropFirst(2).prefix(100) {
            guard let colon = line.firstIndex(of: ":"), let name = HTTPField.Name(String(line[..<colon])) else { continue }
            let value = String(line[line.index(after: colon)...].drop { $0 == " " })
            if name.canonicalName == "host" { host = value } else { fields[name] = value }
        }
        let head = HTTPRequest(method: method, scheme: "http", authority: host, path: lines[1], headerFields: fields)
        _ = AccessPolicy.loopback.decision(on: head)
        if case .granted(let caller) = AccessPolicy(hosts: nil, tokens: AccessTokens()).decision(on: head) {
            // As it was kept: a field's value has no spaces around it.
            let path = (head.path ?? "/").prefix { $0 != "?" }
            let isOpen = ["/health", "/version"].contains(path) || path.contains("/mlflow-artifacts/granted") || path.contains("/mlflow-artifacts/mpu/parts")
            try expect(caller == nil && isOpen, "granted without a token: \(lines[1])")
        }
        let count: Int64 = 1000
        let request = ConditionalRequest(
            isHead: method == .head, range: fields[.range], ifRange: fields[.ifRange], ifMatch: fields[.ifMatch], ifNoneMatch: fields[.ifNoneMatch]
        )
        if case .part(let part) = request.decide(etag: "\"a\"", byteCount: count) {
            try expect(!part.isEmpty && part.lowerBound >= 0 && part.upperBound <= count, "a range outside of the file: \(part)")
        }
        return try verdict { _ = try DigestHeaders.checks(head.headerFields) }
    }
}
