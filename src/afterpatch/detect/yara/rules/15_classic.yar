rule AP_Shell_Classic_Eval_Variable
{
    meta:
        title = "Small classic ASP page that evaluates a request value by way of a variable"
        title_zh = "经变量对请求值求值的小型经典 ASP 页面"
        severity = "critical"
        family = "China Chopper"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A small classic ASP page reads a request value and evaluates a variable: the one-line shell with one step in between."
        explain_zh = "小型经典 ASP 页面读取请求值并对变量求值：多一步的一句话后门。"
        origin = "public web shell collections (features)"
    strings:
        $run = /[\s:>%(=\b(\x65val|\x65xecute](\x65val|\x65xecute|\x65xecuteGlobal)[ \t(]{1,6}[a-z_]\w{0,30}[ \t)]{0,4}(\r|\n|%>|:)/i
        $read = /\b\x52equest\s{0,4}(\.\s{0,4}\w{4,20}\s{0,4})?\(/i
    condition:
        ap_classic and filesize < 4KB and all of them
}

rule AP_Shell_Classic_Eval_Decoded
{
    meta:
        title = "Classic ASP page that evaluates decoded text"
        title_zh = "对解码文本求值的经典 ASP 页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "obfuscation"
        techniques = "T1505.003,T1027.010"
        explain = "A classic ASP page hands the result of a decoding function to VBScript's evaluator. What it runs is hidden in the text that is decoded."
        explain_zh = "经典 ASP 页面把解码函数的结果交给 VBScript 求值器，所执行内容隐藏在被解码的文本中。"
        origin = "public web shell collections (features)"
    strings:
        $short = /[\s:>%(=\b(\x65val|\x65xecute](\x65val|\x65xecute|\x65xecuteGlobal)[ \t(]{1,6}[a-z_]\w{0,30}\s{0,4}\(\s{0,4}["']/i
        $unescape = /[\s:>%(=\b(\x65val|\x65xecute](\x65val|\x65xecute|\x65xecuteGlobal)[ \t(]{1,6}unescape\s{0,4}\(/i
        $nested = /[\s:>%(=\b(\x65val|\x65xecute](\x65val|\x65xecute|\x65xecuteGlobal)[ \t(]{1,6}[a-z_]\w{0,30}\s{0,4}\(\s{0,4}[a-z_]\w{0,30}\s{0,4}\)/i
        $decode = /\b(chr|chrw|asc|mid|StrReverse|split|replace|unescape)\s{0,4}\(/i
    condition:
        ap_classic and filesize < 400KB and ($unescape or ($short and #decode > 1) or ($nested and #decode > 3))
}

rule AP_Shell_Classic_Files
{
    meta:
        title = "Classic ASP page that handles files by request"
        title_zh = "按请求操作文件的经典 ASP 页面"
        severity = "medium"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A classic ASP page creates the file system object and lists, reads, writes or changes files that the request names. Exchange has no classic ASP."
        explain_zh = "经典 ASP 页面创建文件系统对象，并列出、读取、写入或更改请求指定的文件。Exchange 没有经典 ASP 页面。"
        origin = "public web shell collections (features)"
    strings:
        $fso = /\x46ileSystemObject|Scripting\.FileSys|0D43FE01-F093-11CF-8940-00A0C9054228|fso\b|\x41DODB["'& ]{0,4}\.["'& ]{0,4}\x53tream/i
        $act = /\.\s{0,4}(GetFolder|SubFolders|OpenTextFile|CreateTextFile|DeleteFile|DeleteFolder|CopyFile|MoveFile|SaveToFile|GetFile|Attributes)\b/i
    condition:
        ap_classic and ap_request and filesize < 400KB and all of them
}

rule AP_Hidden_Utf7_Page
{
    meta:
        title = "Page in UTF-7"
        title_zh = "UTF-7 编码的页面"
        severity = "high"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "obfuscation"
        techniques = "T1505.003,T1027"
        explain = "The page declares the code page of UTF-7, in which script looks like random letters. No page of Exchange does."
        explain_zh = "页面声明 UTF-7 代码页，使脚本看起来像随机字母。Exchange 没有这样的页面。"
        origin = "public web shell collections (features)"
    strings:
        $a = /codepage\s{0,4}=\s{0,4}["']?65000/i
        $b = /charset\s{0,4}=\s{0,4}["']?utf-7/i
    condition:
        ap_page and filesize < 400KB and any of them
}
