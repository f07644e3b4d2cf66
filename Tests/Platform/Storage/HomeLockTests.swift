import Foundation
import SlipwayCore
import Testing

@testable import SlipwayStorage

@Suite("Home lock")
struct HomeLockTests {
    @Test("A second platform on the same home is refused, and told which process is there")
    func second() async throws {
        try await withHome { home in
            try home.create()
            let lock = try home.lock()
            let error = #expect(throws: PlatformError.self) { try home.lock() }
            #expect(error?.code == .failedPrecondition)
            #expect(error?.message == "environment 'dev' is already up, as process \(getpid())")
            #expect(error?.remedy != nil)
            withExtendedLifetime(lock) {}
        }
    }

    @Test("The lock is free again when its holder is gone; a dead process's file is no obstacle")
    func stale() async throws {
        try await withHome { home in
            try home.create()
            do { _ = try home.lock() }
            try Data("2147483646\n".utf8).write(to: URL(filePath: home.lockFile))
            let lock = try home.lock()
            #expect(try String(contentsOfFile: home.lockFile, encoding: .utf8) == "\(getpid())\n")
            withExtendedLifetime(lock) {}
        }
    }

    @Test("Two environments of one root, and two roots, do not hinder one another")
    func others() async throws {
        try await withHome { home in
            let prod = EnvironmentHome(root: home.root, environment: try EnvironmentName("prod"))
            try home.create()
            try prod.create()
            let locks = [try home.lock(), try prod.lock()]
            withExtendedLifetime(locks) {}
        }
    }

    @Test("A process that we started does not carry the lock on after us", .timeLimit(.minutes(3)))
    func children() async throws {
        try await withHome { home in
            try home.create()
            let child = Process()
            child.executableURL = URL(filePath: "/bin/sleep")
            child.arguments = ["30"]
            do {
                let lock = try home.lock()
                try child.run()
                withExtendedLifetime(lock) {}
            }
            defer {
                _ = kill(child.processIdentifier, SIGKILL)
                child.waitUntilExit()
            }
            #expect(child.isRunning)
            _ = try home.lock()
        }
    }
}

@Suite("Endpoints")
struct EndpointsTests {
    @Test("What was published reads back, 0600; after removal the platform is not up")
    func roundTrip() async throws {
        try await withHome { home in
            try home.create()
            let endpoints = Endpoints(tracking: "http://127.0.0.1:5000", console: "http://127.0.0.1:7070", pid: getpid())
            try home.publish(endpoints)
            #expect(try home.endpoints() == endpoints)
            #expect(try mode(home.endpointsFile) == 0o600)
            try home.removeEndpoints()
            try home.removeEndpoints()
            let error = #expect(throws: PlatformError.self) { try home.endpoints() }
            #expect(error?.code == .unavailable)
            #expect(error?.remedy == "slipway up --env dev")
        }
    }

    @Test("Endpoints of a process that was killed count as not up; nonsense is corrupt")
    func dead() async throws {
        try await withHome { home in
            try home.create()
            for pid: Int32 in [Int32.max - 1, 0, -1] {
                try home.publish(Endpoints(console: "http://127.0.0.1:7070", pid: pid))
                let error = #expect(throws: PlatformError.self) { try home.endpoints() }
                #expect(error?.code == .unavailable)
            }
            for text in ["", "{}", "[]", #"{"pid":"x"}"#] {
                try AtomicFile(home.endpointsFile).write(text)
                let error = #expect(throws: PlatformError.self) { try home.endpoints() }
                #expect(error?.code == .corrupt)
            }
        }
    }
}
