cask "handline" do
  version "@VERSION@"
  sha256 "@SHA256@"

  url "@HOMEPAGE@/releases/download/v#{version}/Handline-#{version}.zip"
  name "Handline"
  desc "Keeps the line to your OpenHands backend"
  homepage "@HOMEPAGE@"

  app "Handline.app"
  binary "#{appdir}/Handline.app/Contents/MacOS/handline"

  uninstall launchctl: "dev.handline.Handline",
            quit:      "dev.handline.Handline"

  zap trash: [
    "~/Library/Application Support/Handline",
    "~/Library/LaunchAgents/dev.handline.Handline.plist",
    "~/Library/Logs/Handline",
  ]

  caveats <<~EOS
    The keys that you stored stay in your keychain. Before you uninstall, `handline uninstall` removes them.
  EOS
end
