// What other rules build on. Words of shell code are written with a hex escape in them, so that these files do not
// look like the thing they describe. Gaps are bounded, so that a hostile page costs bounded time.
// sources of the features: see each rule's `origin`; all rules are written for this project.

private rule ap_page
{
    strings:
        $tag = /<%[ \t\r\n@=#:]/
        $script = /<script\b[^<>]{0,60}\brunat\s{0,4}=\s{0,4}["']?server/i
    condition:
        any of them
}

private rule ap_directive
{
    strings:
        $a = /<%\s{0,4}@\s{0,40}(Page|WebHandler|WebService|Control|Master|Application|ServiceHost|Language)\b/i
        $b = /<script\b[^<>]{0,60}\brunat\s{0,4}=\s{0,4}["']?server/i
        $c = /Page\s{1,4}Language\s{0,4}=/i
    condition:
        any of them
}

private rule ap_jscript
{
    strings:
        $a = /language\s{0,4}=\s{0,4}["']?\s{0,4}j(ava)?script(\.net)?["'\s>%]/i
    condition:
        ap_directive and $a
}

private rule ap_net_page
{
    strings:
        $page = /<%\s{0,4}@\s{0,40}(Page|WebHandler|WebService|Control|Master|Application)\b/i
        $import = /<%\s{0,4}@\s{0,40}Import\b/i
        $script = /<script\b[^<>]{0,60}\brunat\s{0,4}=\s{0,4}["']?server/i
    condition:
        any of them
}

private rule ap_inline_code
{
    // code in the page itself, not only a reference to a compiled class
    strings:
        $script = /<script\b[^<>]{0,60}\brunat\s{0,4}=\s{0,4}["']?server/i
        $block = /<%\s{0,8}[A-Za-z_'\/+("]/
        $class = /<%\s{0,4}@\s{0,40}Web(Handler|Service)\b[^>]{0,200}\bClass\s{0,4}=[^>]{0,200}>\s{0,400}(using|public|import|\/\/|\/\*|'|\[|namespace|class)\b?/i
    condition:
        any of them
}

private rule ap_classic
{
    // classic ASP: script blocks without a page directive of ASP.NET
    strings:
        $block = "<%"
        $net = /<%\s{0,4}@\s{0,40}(Page|WebHandler|WebService|Control|Master|Import|Application|Assembly)\b/i
    condition:
        $block and not $net
}

private rule ap_request
{
    // a value of the request read by name, or its body
    strings:
        $item = /\bRequest\s{0,4}(\.\s{0,4}(Form|QueryString|Params|Item|Cookies|Headers|ServerVariables)\s{0,4})?[\[(]/i
        $method = /\[\s{0,4}(System\.Web\.Services\.)?WebMethod/
        $parse = /ParseQueryString\s{0,4}\(/
        $body = /\bRequest\s{0,4}\.\s{0,4}(InputStream|BinaryRead|Files|TotalBytes|UserAgent|RawUrl|Form|QueryString|Params|Headers|GetBufferlessInputStream|SaveAs)\b/i
    condition:
        any of them
}

private rule ap_control_text
{
    // a text box that runs on the server: its value comes with the request
    strings:
        $box = /<(asp:(TextBox|FileUpload|HiddenField)|input\b[^<>]{0,80}\brunat\s{0,4}=|textarea\b[^<>]{0,80}\brunat\s{0,4}=)/i
    condition:
        $box
}

private rule ap_process
{
    strings:
        $start = /\x50rocess\s{0,4}\.\s{0,4}Start\s{0,4}\(|\bnew\s{1,4}(System\s{0,4}\.\s{0,4}Diagnostics\s{0,4}\.\s{0,4})?\x50rocess(StartInfo)?\s{0,4}\(/i
        $info = /\x50rocessStartInfo/i
        $out = /RedirectStandardOutput|StandardOutput/i
        $shell = /W[sS]cript\s{0,4}\.\s{0,4}\x53hell|\x53hell\s{0,4}\.\s{0,4}Application/i
    condition:
        ($start and ($info or $out)) or $shell
}
