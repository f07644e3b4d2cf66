import SlipwayCommands

@main
enum Slipway {
    static func main() async {
        await SlipwayCommand.runToExit()
    }
}
