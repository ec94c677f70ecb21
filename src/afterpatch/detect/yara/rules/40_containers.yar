rule AP_Container_Pst_Page
{
    meta:
        title = "Mail store that is a server page (ProxyShell)"
        title_zh = "作为服务器页面的邮件存储文件（ProxyShell）"
        severity = "critical"
        confidence = "high"
        chain = "proxyshell"
        stage = "wrote"
        kind = "web-shell"
        group = "container"
        explain = "The file begins like an Outlook data file and holds a server script. ProxyShell wrote its shells by exporting a mailbox, whose draft held the script, to a file with a page's name."
        explain_zh = "文件以 Outlook 数据文件开头，却含有服务器脚本。ProxyShell 通过把含脚本草稿的邮箱导出为页面文件名来写入后门。"
        origin = "signature-base expl_proxyshell (features); Huntress"
    strings:
        $magic = { 21 42 44 4E }
        $lang = /Page\s{1,4}Language\s{0,4}=|<script[^<>]{0,60}(runat|language)\s{0,4}=/i
        $code = /\x46romBase64String\s{0,4}\(\s{0,4}\x52equest|\x65val\s{0,4}\(|exec_code|\x52equest\s{0,4}[\[.(]/
    condition:
        $magic at 0 and ($lang or $code) and (filesize < 8MB)
}

rule AP_Container_Der_Page
{
    meta:
        title = "Certificate request that is a server page (ProxyShell)"
        title_zh = "作为服务器页面的证书请求（ProxyShell）"
        severity = "critical"
        confidence = "high"
        chain = "proxyshell"
        stage = "wrote"
        kind = "web-shell"
        group = "container"
        explain = "The file begins like a DER-encoded certificate request and holds a server script: the form that New-ExchangeCertificate writes when its subject carries a script."
        explain_zh = "文件以 DER 编码的证书请求开头，却含有服务器脚本：即主题中带脚本时 New-ExchangeCertificate 写出的形式。"
        origin = "signature-base expl_proxyshell (features)"
    strings:
        $magic = { 30 82 }
        $lang = /Page\s{1,4}Language\s{0,4}=|<script[^<>]{0,60}(runat|language)\s{0,4}=|<%/i
    condition:
        $magic at 0 and $lang and filesize < 64KB
}

rule AP_Container_Image_Page
{
    meta:
        title = "Picture that holds a server script"
        title_zh = "含服务器脚本的图片"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "container"
        techniques = "T1505.003,T1036.008"
        explain = "The file begins like a GIF, PNG or JPEG picture and holds a server script with code."
        explain_zh = "文件以 GIF、PNG 或 JPEG 开头，却含有服务器脚本代码。"
        origin = "NSA Mitigating-Web-Shells (features)"
    strings:
        $gif = "gif8" nocase
        $png = { 89 50 4E 47 }
        $jpg = { FF D8 FF }
        $bmp = "BM"
        $script = /<%\s{0,4}@\s{0,20}(Page|WebHandler|Language)|<%\s{0,4}@|<script[^<>]{0,60}runat\s{0,4}=\s{0,4}["']?server|<%\s{0,8}(\x65val|\x65xecute|response|dim|set)\b|<\?php/i
    condition:
        ($gif at 0 or $png at 0 or $jpg at 0 or $bmp at 0) and $script
}

rule AP_Container_Binary_Head
{
    meta:
        title = "Server page with a binary head"
        title_zh = "带二进制文件头的服务器页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "container"
        explain = "A file with a page directive begins with bytes that no text begins with. Pages that were written through another format (mail store, certificate, registry, archive) look so."
        explain_zh = "含页面指令的文件以非文本字节开头。借助其他格式（邮件存储、证书、注册表、压缩包）写入的页面就是这样。"
        origin = "signature-base SUSP_ASPX_PossibleDropperArtifact (features)"
    strings:
        $lang = /Page\s{1,4}Language\s{0,4}=|<script[^<>]{0,60}runat\s{0,4}=\s{0,4}["']?server/i
        $known = /^(PK|Rar!|\x1f\x8b|MZ|\xd0\xcf\x11\xe0|MSCF|\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4|!BDN|\x30\x82|GIF8|\x89PNG|\xff\xd8\xff|\xff\xfe|\xfe\xff|\xef\xbb\xbf|BM|%PDF|ElfFile|regf)/
    condition:
        filesize > 8 and filesize < 8MB and $lang and not $known and
        for any i in (0..7) : (uint8(i) < 9 or (uint8(i) > 13 and uint8(i) < 32) or uint8(i) > 126) and
        (extension == ".aspx" or extension == ".ashx" or extension == ".asmx" or extension == ".asp" or extension == ".ascx" or extension == ".asax") and
        for any j in (0..7) : (uint8(j) == 0 or (uint8(j) < 9) or (uint8(j) > 13 and uint8(j) < 32))
}

rule AP_Config_With_Script
{
    meta:
        title = "Configuration file that holds server script"
        title_zh = "含服务器脚本的配置文件"
        severity = "critical"
        confidence = "high"
        chain = "iis-persistence"
        stage = "wrote"
        kind = "handler"
        group = "container"
        techniques = "T1505.003,T1505.004"
        explain = "Server script stands in or after the XML of a configuration file. With a handler for that file type, web.config itself becomes the shell."
        explain_zh = "配置文件的 XML 之中或之后含有服务器脚本。配合相应的处理程序映射，web.config 自身即成为后门。"
        origin = "public analyses (web.config shells)"
    strings:
        $root = /<configuration[\s>]/i
        $code = /<%[\s@=]{0,8}(\x65val|\x65xecute|response|request|dim|set|page|if|language|\w{1,20}\s{0,4}=)/i
        $script = /<script[^<>]{0,60}runat\s{0,4}=\s{0,4}["']?server/i
    condition:
        $root and ($code or $script) and extension == ".config"
}
