import Foundation

/// One server with one kind of request, as the benchmark loads it.
struct LoadTarget {
    /// As the tables and goals call it: `slipway json`.
    let name: String
    let url: String
    /// What is sent, each time the same.
    let request: LoadRequest
    /// Ours may not fail a request; a rival that does is shown as it is.
    let isOurs: Bool
    /// Processes whose CPU time a request costs.
    let processes: [Int32]
    /// Processes whose memory the server takes; those of ``processes`` unless told otherwise.
    var memory: [Int32]?
}

/// A body and its headers, and how they are sent.
struct LoadRequest {
    /// Names wrk's script of this request.
    let name: String
    var headers: [String: String] = [:]
    let body: [UInt8]

    /// wrk's script in Lua, with every byte of the body written as a number.
    func script(in folder: URL) throws -> URL {
        let file = folder.appending(path: "\(name).lua")
        var text = "wrk.method = \"POST\"\n"
        for (header, value) in headers.sorted(by: { $0.key < $1.key }) { text += "wrk.headers[\"\(header)\"] = \"\(value)\"\n" }
        text += "wrk.body = \"" + body.map { "\\" + String(format: "%03d", $0) }.joined() + "\"\n"
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file
    }
}

/// What one measurement of one target gave.
struct LoadFigures {
    var requestsPerSecond: [Double] = []
    /// In microseconds, as the next two.
    var p50: [Double] = []
    var p99: [Double] = []
    var microsecondsCPU: [Double] = []
    var residentMiB: [Double] = []
    /// Answers that were errors, and connections that broke, in all rounds.
    var failures = 0
}

/// Debian's wrk, one thread: the same client for every server.
struct Wrk {
    let folder: URL

    func measure(_ target: LoadTarget, connections: Int, seconds: Int, into figures: inout LoadFigures) throws {
        let script = try target.request.script(in: folder)
        let log = folder.appending(path: "wrk.log")
        let child = try Child(
            "/usr/bin/wrk",
            ["-t1", "--timeout", "10s", "-c\(connections)", "-d\(seconds)s", "--latency", "-s", script.path, target.url],
            log: log
        )
        let before = target.processes.map(processCPUSeconds).reduce(0, +)
        try child.start()
        try require(try child.wait(seconds: Double(seconds) + 30) == 0, "wrk failed: \(child.text)")
        let used = target.processes.map(processCPUSeconds).reduce(0, +) - before
        let output = child.text
        guard let rate = number(after: "Requests/sec:", in: output), let p50 = time(after: "50%", in: output), let p99 = time(after: "99%", in: output),
            let count = output.split(separator: "\n").first(where: { $0.contains("requests in") })?.split(separator: " ").first.flatMap({ Double($0) })
        else { throw Difference("wrk's output is not understood:\n\(output)") }
        let failures = errors(in: output)
        try require(!target.isOurs || failures == 0, "'\(target.name)' failed requests at \(connections) connections:\n\(output)")
        figures.requestsPerSecond.append(rate)
        figures.p50.append(p50)
        figures.p99.append(p99)
        figures.microsecondsCPU.append(used / max(count, 1) * 1e6)
        figures.residentMiB.append((target.memory ?? target.processes).map(residentMemoryMiB).reduce(0, +))
        figures.failures += failures
    }

    /// Bad answers and broken connections; time-outs too.
    private func errors(in output: String) -> Int {
        var count = number(after: "Non-2xx or 3xx responses:", in: output).map { Int($0) } ?? 0
        guard let line = output.split(separator: "\n").first(where: { $0.contains("Socket errors:") }) else { return count }
        for word in line.split(whereSeparator: { !$0.isNumber }) { count += Int(word) ?? 0 }
        return count
    }

    private func number(after label: String, in text: String) -> Double? {
        text.range(of: label).flatMap { Double(text[$0.upperBound...].split(whereSeparator: \.isWhitespace).first ?? "") }
    }

    /// In microseconds.
    private func time(after label: String, in text: String) -> Double? {
        // At the beginning of a line: a share of requests may end in the same signs.
        let lines = text.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace) }
        guard let line = lines.first(where: { $0.first.map(String.init) == label }), line.count > 1 else { return nil }
        let word = line[1]
        for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] where word.hasSuffix(unit) {
            return Double(word.dropLast(unit.count)).map { $0 * factor }
        }
        return nil
    }
}
