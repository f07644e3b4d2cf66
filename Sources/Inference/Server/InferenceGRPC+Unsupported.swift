import SlipwayGRPC

/// Calls of Triton's extensions that this server lacks: refused by name, so that nobody takes the refusal for
/// a spelling mistake. The server's metadata does not list these extensions.
extension InferenceGRPC {
    private static let missing = [
        ("shared memory", ["SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister"]),
        ("CUDA shared memory", ["CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"]),
        ("trace", ["TraceSetting"]),
        ("logging", ["LogSettings"]),
    ]

    static func addUnsupported(to methods: inout GRPCMethods) {
        for (name, calls) in missing {
            for call in calls {
                methods.unary("/\(service)/\(call)") { _, _ in
                    .now(GRPCReply(.unimplemented, "the \(name) extension is not supported"))
                }
            }
        }
    }
}
