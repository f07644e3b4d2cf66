import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayProcesses
import SlipwayStorage

/// The files that Redis and Feast run on, below `<home>/<env>/optional/`, and the commands that start them.
struct FeatureStoreFiles {
    struct Programs {
        let redis: String
        let feast: String
    }

    let folder: String
    private let secretFile: String

    init(home: EnvironmentHome) {
        folder = FeatureStoreState.folder(home)
        secretFile = "\(home.keysFolder)/redis.secret"
    }

    var redisFolder: String { "\(folder)/redis" }
    var feastFolder: String { "\(folder)/feast" }
    /// What `feast apply` and `feast materialize` are called with: `feast -f FILE apply`.
    var storeFile: String { "\(feastFolder)/feature_store.yaml" }
    private var redisConfiguration: String { "\(folder)/redis.conf" }

    /// - Throws: `failed_precondition` that says what is missing, and how to get it.
    func programs(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> Programs {
        let path = "\(environment["PATH"] ?? ""):\(FileManager.default.currentDirectoryPath)/.venv-feast/bin"
        let finder = ToolFinder(path: path, tree: FileManager.default.currentDirectoryPath)
        guard let redis = environment["SLIPWAY_REDIS"] ?? finder.find("redis-server") else {
            throw PlatformError(.failedPrecondition, "'redis-server' was not found", remedy: "apt-get install redis-server, or name it in SLIPWAY_REDIS")
        }
        guard let feast = environment["SLIPWAY_FEAST"] ?? finder.find("feast") else {
            throw PlatformError(.failedPrecondition, "'feast' was not found", remedy: "bash ops/features.sh, or name it in SLIPWAY_FEAST")
        }
        return Programs(redis: redis, feast: feast)
    }

    /// Writes what the two are told; the data of an earlier time stays.
    func prepare(feastPort: Int) throws -> (redis: Int, feast: Int) {
        for path in [folder, redisFolder, feastFolder, "\(feastFolder)/definitions"] { try PrivateFolder.make(path) }
        let redisPort = try FreePort.any(except: feastPort)
        let password = try password()
        try AtomicFile(redisConfiguration, isPrivate: true).write("""
            bind 127.0.0.1
            port \(redisPort)
            requirepass \(password)
            dir "\(redisFolder)"
            # Every write reaches the file within a second, and all of them at a stop.
            appendonly yes
            appendfsync everysec
            daemonize no

            """)
        try AtomicFile(storeFile, isPrivate: true).write("""
            project: slipway
            provider: local
            registry:
              registry_type: file
              path: \(feastFolder)/registry.db
              cache_ttl_seconds: 5
            online_store:
              type: redis
              connection_string: "127.0.0.1:\(redisPort),password=\(password)"
            offline_store:
              type: file
            entity_key_serialization_version: 3
            auth:
              type: no_auth

            """)
        return (redisPort, feastPort)
    }

    /// Made at the first start, and kept: only the two children and their owner know it.
    private func password() throws -> String {
        if let known = try SecretFile(secretFile).text() { return known }
        var generator = SystemRandomNumberGenerator()
        let secret = (0..<24).map { _ in UInt8.random(in: .min ... .max, using: &generator) }.hexText
        try AtomicFile(secretFile, isPrivate: true).create(Array(secret.utf8))
        return secret
    }

    func redisCommand(_ program: String) -> Command {
        Command(arguments: [program, redisConfiguration], directory: redisFolder, environment: environment, timeout: FeatureStoreService.Bound.lifetime)
    }

    func feastCommand(_ program: String, port: Int) -> Command {
        // Without --max-requests 0 the worker ends after a thousand requests and drops its connections.
        let arguments = [
            program, "-c", "\(feastFolder)/definitions", "-f", storeFile, "serve", "-h", "127.0.0.1", "-p", "\(port)",
            "--no-access-log", "-w", "1", "--max-requests", "0",
        ]
        return Command(arguments: arguments, directory: feastFolder, environment: environment, timeout: FeatureStoreService.Bound.lifetime)
    }

    private var environment: [String: String] {
        let own = ProcessInfo.processInfo.environment
        return [
            "PATH": own["PATH"] ?? "/usr/bin:/bin", "HOME": own["HOME"] ?? feastFolder, "LANG": "C.UTF-8", "FEAST_USAGE": "False",
            FeatureStoreService.environmentKey: folder,
        ]
    }
}

/// Ports of loopback that nobody listens on at the moment.
enum FreePort {
    static func preferring(_ port: Int) throws -> Int {
        if let bound = bind(port) { return bound }
        return try any(except: port)
    }

    static func any(except taken: Int) throws -> Int {
        for _ in 0..<16 {
            if let port = bind(0), port != taken { return port }
        }
        throw PlatformError(.exhausted, "no free port was found on 127.0.0.1")
    }

    private static func bind(_ port: Int) -> Int? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // Connections of a server that has just ended do not count; one that listens does.
        var isReused: Int32 = 1
        _ = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isReused, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                guard Foundation.bind(descriptor, generic, length) == 0, getsockname(descriptor, generic, &length) == 0 else { return nil }
                return Int(UInt16(bigEndian: UnsafeRawPointer(pointer).load(as: sockaddr_in.self).sin_port))
            }
        }
    }
}
