rule AP_Hidden_Unicode_Escapes
{
    meta:
        title = "Page whose code is written in character escapes"
        title_zh = "用字符转义书写代码的页面"
        severity = "high"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "obfuscation"
        techniques = "T1505.003,T1027.010"
        explain = "Identifiers of the code are written as Unicode escapes. The compiler reads them as plain words, a search does not."
        explain_zh = "代码标识符以 Unicode 转义书写：编译器能识别，搜索则不能。"
        origin = "signature-base (runtime compile inputs; features)"
    strings:
        $request = /\\u00(5[25]|[57]2)\\u0065\\u0071|\\u0065\\u0071\\u0075|\\u0065\\u0073\\u0074|\\U00000065\\U0000007[13]/i
        $eval = /\\u0065\\u0076\\u0061\\u006c|\\u004c\\u006f\\u0061\\u0064|\\u0050\\u0072\\u006f\\u0063/i
        $many = /\\u00[4-7][0-9a-f]\\u00[4-7][0-9a-f]\\u00[4-7][0-9a-f]\\u00[4-7][0-9a-f]/i
    condition:
        ap_page and filesize < 500KB and ($request or $eval or #many > 3)
}

rule AP_Hidden_Encoded_Script
{
    meta:
        title = "Page with encoded VBScript or JScript"
        title_zh = "含编码 VBScript 或 JScript 的页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "obfuscation"
        techniques = "T1505.003,T1027.010"
        explain = "The script is stored in Microsoft's old script encoding, which hides it from readers and searches."
        explain_zh = "脚本以微软旧式脚本编码存储，以躲避阅读和搜索。"
        origin = "php-malware-finder asp (features)"
    strings:
        $lang = /language\s{0,4}=\s{0,4}["']?\s{0,4}(vb|j)script\.encode/i
        $mark = /#@~\^[A-Za-z0-9+\/]{6}==/
    condition:
        ($lang and ap_page) or ($mark and (ap_page or extension == ".asp" or extension == ".aspx" or extension == ".asa" or extension == ".cer"))
}

rule AP_Hidden_Fillers
{
    meta:
        title = "Page with code broken up by empty comments"
        title_zh = "用空注释打散代码的页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "obfuscation"
        techniques = "T1505.003,T1027.010"
        explain = "Comments without meaning stand inside calls, many times. They break up the words that a search looks for."
        explain_zh = "调用内部反复出现无意义的注释，用于打断搜索关键词。"
        origin = "signature-base WEBSHELL_ASP_OBFUSC (features)"
    strings:
        $a = "/*-/*-*/"
        $b = "/*//*/"
        $c = "(\"/*/\""
        $d = /\/\*[A-Za-z0-9]{4,16}\*\/[.(]|[\w)]\/\*[A-Za-z0-9]{0,16}\*\/\(/
    condition:
        ap_inline_code and filesize < 300KB and (any of ($a, $b, $c) or #d > 3)
}

rule AP_Hidden_Word_Assembly
{
    meta:
        title = "Page that assembles key words out of pieces"
        title_zh = "拼接关键字的页面"
        severity = "high"
        confidence = "low"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "obfuscation"
        techniques = "T1505.003,T1027.010"
        explain = "Words that run code are put together out of letters or short strings at run time, next to values of the request."
        explain_zh = "在读取请求值的同时，于运行时用字母或短字符串拼接出执行代码的关键字。"
        origin = "signature-base WEBSHELL_ASP_OBFUSC (features)"
    strings:
        $a = /["']\x65["']\s{0,2}[+&]\s{0,2}["']v|["']\x65v["']\s{0,2}[+&]\s{0,2}["']a|["']\x65va["']\s{0,2}[+&]\s{0,2}["']l/i
        $b = /["']\x75n["']\s{0,2}[+&]\s{0,2}["']s|["']\x75nsa["']\s{0,2}[+&]\s{0,2}["']f/i
        $c = /["']W["']?\s{0,2}[+&]\s{0,2}["']?\x53cript|["']cm["']\s{0,2}[+&]\s{0,2}["']d/i
        $e = /(chr\s{0,2}\(\s{0,2}[0-9x&h\s+\-*\/]{1,20}\)\s{0,4}[&+]\s{0,4}){6}/i
        $f = /String\.fromCharCode\s{0,2}\((\s{0,2}(0x)?[0-9a-f]{2,4}\s{0,2},){8}/i
    condition:
        ap_inline_code and filesize < 300KB and any of them
}

rule AP_Hidden_Long_Payload
{
    meta:
        title = "Small server code around a long encoded text"
        title_zh = "围绕长编码文本的少量服务器代码"
        severity = "high"
        confidence = "low"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "obfuscation"
        techniques = "T1505.003,T1027"
        explain = "The page consists mainly of one long base64 or hexadecimal text that its code decodes."
        explain_zh = "页面主要由一段很长的 base64 或十六进制文本组成，并由其代码解码。"
        origin = "analysis (features in backdoors 1.9)"
    strings:
        $pe = /["']TVqQAAM[A-Za-z0-9+\/]{200}/
        $b64 = /["'][A-Za-z0-9+\/]{4000}/
        $decode = /\x46romBase64String|\x4coad\s{0,4}\(|StrReverse|Convert\.ToByte/i
    condition:
        ap_inline_code and ($pe or ($b64 and $decode))
}
