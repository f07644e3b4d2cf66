import Foundation
import SlipwayCore

/// Keeps calling `/predict` with many client ids and remembers what each was answered by.
final class LoadGenerator: @unchecked Sendable {
    struct Tally {
        var requests = 0
        /// Version that failed (`-` when none is named) → what it said, first words.
        var failures: [String: [String]] = [:]
        /// Version → answers.
        var answers: [String: Int] = [:]
        /// Client → versions in the order in which they answered it, repeats left out.
        var paths: [Int: [String]] = [:]
        var slowestMilliseconds = 0.0
    }

    private let url: String
    private let rows: [String]
    private let clients: Int
    private let pause: TimeInterval
    private let lock = NSLock()
    private var tally = Tally()
    private var isStopping = false
    private var threads: [Thread] = []
    private let group = DispatchGroup()

    /// - Parameters:
    ///   - rows: JSON arrays, sent in turn as single instances.
    ///   - pause: Between two requests of one thread, which leaves the machine to what is tested.
    init(url: String, rows: [String], clients: Int = 400, threads count: Int = 4, pause: TimeInterval = 0.004) {
        self.url = url
        self.rows = rows
        self.clients = clients
        self.pause = pause
        for index in 0..<count {
            let thread = Thread { [self] in
                // Each client belongs to one thread, so its answers have an order.
                drive(first: index, step: count)
                group.leave()
            }
            threads.append(thread)
        }
    }

    func start() {
        for thread in threads {
            group.enter()
            thread.start()
        }
    }

    func stop() -> Tally {
        lock.withLock { isStopping = true }
        group.wait()
        return lock.withLock { tally }
    }

    var soFar: Tally { lock.withLock { tally } }

    private func drive(first: Int, step: Int) {
        guard let socket = try? HTTPSocket(url: url) else { return }
        var client = first
        var row = first
        while !lock.withLock({ isStopping }) {
            call(socket, client: client, row: rows[row % rows.count])
            client = client + step >= clients ? first : client + step
            row += step
            Thread.sleep(forTimeInterval: pause)
        }
    }

    private func call(_ socket: HTTPSocket, client: Int, row: String) {
        let began = DispatchTime.now().uptimeNanoseconds
        let outcome = Result { try socket.post("/predict", headers: ["x-client-id": "client-\(client)"], body: Array("{\"instances\":[\(row)]}".utf8)) }
        let milliseconds = Double(DispatchTime.now().uptimeNanoseconds - began) / 1e6
        lock.withLock {
            tally.requests += 1
            tally.slowestMilliseconds = max(tally.slowestMilliseconds, milliseconds)
            switch outcome {
            case .success(let answer) where answer.status == 200:
                let version = answer.headers["x-slipway-version"] ?? "-"
                tally.answers[version, default: 0] += 1
                if tally.paths[client]?.last != version { tally.paths[client, default: []].append(version) }
            case .success(let answer):
                let text = "\(answer.status) \(String(decoding: answer.body.prefix(300), as: UTF8.self))"
                tally.failures[answer.headers["x-slipway-version"] ?? "-", default: []].append(text)
            case .failure(let error):
                tally.failures["-", default: []].append("\(error)")
            }
        }
    }

    /// The rows of a CSV without its header and without its last column, and rows beyond what the data has.
    static func rows(ofHoldout file: URL) throws -> [String] {
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").dropFirst()
        var rows = lines.map { "[\($0.split(separator: ",").dropLast().joined(separator: ","))]" }
        // One in ten live tumours is larger than any that training or the gates have seen.
        for index in stride(from: 0, to: rows.count, by: 10) {
            let values = lines[lines.index(lines.startIndex, offsetBy: index)].split(separator: ",").dropLast()
            rows[index] = "[45.0,\(values.dropFirst().joined(separator: ","))]"
        }
        return rows
    }
}
