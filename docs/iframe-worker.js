// Browsers start no worker from a page that was opened from disk; there, a frame does the work of the search's.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.documentElement.append(frame)
      this.window = frame.contentWindow
      this.window.postMessage = data => this.answer(data)
      const script = frame.contentDocument.createElement("script")
      script.src = url
      this.ready = new Promise(done => script.addEventListener("load", done))
      frame.contentDocument.documentElement.append(script)
    }

    answer(data) {
      this.dispatchEvent(new MessageEvent("message", { data }))
    }

    async postMessage(data) {
      await this.ready
      this.window.dispatchEvent(new MessageEvent("message", { data }))
    }
  }
}
