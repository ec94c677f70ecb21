rule AP_Shell_JScript_Eval_Request
{
    meta:
        title = "JScript page that runs what a request sends"
        title_zh = "执行请求内容的 JScript 页面"
        severity = "critical"
        family = "China Chopper"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A server page in JScript hands a value of the request to the language's evaluator. Whoever sends it commands the server. This is the server half of China Chopper, the shell of March 2021."
        explain_zh = "服务器端 JScript 页面把请求中的值交给语言解释器执行，发送者即可控制服务器。这是中国菜刀（China Chopper）的服务端，也是 2021 年 3 月使用的后门。"
        origin = "CISA AR21-084A; Microsoft 2021-03"
    strings:
        $direct = /\b\x65val\s{0,8}\(\s{0,8}[^;]{0,60}[^A-Za-z0-9_]\x52equest\s{0,8}[.\[(]/
        $start = /\b\x65val\s{0,8}\(\s{0,8}\x52equest\s{0,8}[.\[(]/
        $split = /["']\]\s{0,4}\(\s{0,4}\x52equest\s{0,4}[.\[(]/
    condition:
        ap_jscript and ($direct or $start or $split)
}

rule AP_Shell_JScript_Eval_Unsafe
{
    meta:
        title = "JScript page that evaluates text in unsafe mode"
        title_zh = "以 unsafe 模式求值的 JScript 页面"
        severity = "critical"
        family = "China Chopper"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A server page in JScript evaluates text with the argument that lifts the language's safety, and reads the request. No page of Exchange does so."
        explain_zh = "服务器端 JScript 页面以解除安全限制的参数对文本求值，并读取请求。Exchange 的任何页面都不会这样做。"
        origin = "CISA AR21-084A; signature-base (features)"
    strings:
        $eval = /\x65val\b|\x65v['"+ ]{1,8}al/
        $unsafe = /["']\x75nsafe["']|["']un["']\s{0,4}\+\s{0,4}["']safe["']/i
        $orange = /'orange'\s{0,4},\s{0,4}'\x75nsafe'/
    condition:
        ap_directive and filesize < 200KB and (($eval and $unsafe and (ap_jscript or ap_request)) or $orange)
}

rule AP_Shell_JScript_Base64_Eval
{
    meta:
        title = "JScript page that evaluates decoded text"
        title_zh = "对解码文本求值的 JScript 页面"
        severity = "critical"
        family = "China Chopper"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A small server page in JScript decodes base64 and evaluates the result, which hides the evaluated text from simple searches."
        explain_zh = "小型服务器端 JScript 页面解码 base64 后求值，以躲避简单搜索。"
        origin = "Microsoft 2021-03; signature-base (features)"
    strings:
        $eval = /\x65val\s{0,8}\(/
        $b64 = /\x46romBase64String/
        $enc = /Text\s{0,4}\.\s{0,4}Encoding/
    condition:
        ap_jscript and filesize < 20KB and all of them
}

rule AP_Shell_Comment_Split_Eval
{
    meta:
        title = "Page whose evaluator call is split by comments"
        title_zh = "用注释拆分求值调用的页面"
        severity = "critical"
        family = "ProxyShell August 2021"
        confidence = "high"
        chain = "proxyshell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A comment stands between the evaluator and its argument in a server script. Nobody writes that by accident; it defeats searches for the call."
        explain_zh = "服务器脚本在求值函数与其参数之间插入注释。没有人会无意这样写，这是为了躲避搜索。"
        origin = "ProxyShell shells of August 2021 (features in backdoors 1.9)"
    strings:
        $a = /\x65val\s{0,4}\/\*[^*]{0,80}\*\/\s{0,4}\(/
        $b = /\);\x65val\/\*/
    condition:
        ap_page and filesize < 200KB and any of them
}

rule AP_Shell_Classic_Eval_Request
{
    meta:
        title = "Classic ASP page that runs what a request sends"
        title_zh = "执行请求内容的经典 ASP 页面"
        severity = "critical"
        family = "China Chopper"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A classic ASP page hands a value of the request to VBScript's evaluator."
        explain_zh = "经典 ASP 页面把请求中的值交给 VBScript 求值器执行。"
        origin = "public web shell collections (features in backdoors 1.7)"
    strings:
        $a = /[\s:>%(=\b(\x65val|\x65xecute](\x65val|\x65xecute|\x65xecuteGlobal|\x65xecuteStatement)\s{0,8}\(?\s{0,8}[^\r\n%;]{0,40}\b\x52equest\s{0,8}[.(]/i
        $b = /[\s:>%(=\b(\x65val|\x65xecute](\x65val|\x65xecute|\x65xecuteGlobal)\s{0,4}\(?\s{0,4}\x53ession\s{0,4}\(/i
    condition:
        ap_classic and filesize < 300KB and any of them
}

rule AP_Shell_Classic_Script_Control
{
    meta:
        title = "Classic ASP page that builds a script engine for request text"
        title_zh = "为请求文本创建脚本引擎的经典 ASP 页面"
        severity = "critical"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "The page creates a script control, or evaluates assembled or encoded text, and reads the request: a one-line shell in disguise."
        explain_zh = "页面创建脚本控件，或对拼接、编码的文本求值，并读取请求：伪装过的一句话后门。"
        origin = "public web shell collections (features in backdoors 1.7)"
    strings:
        $control = /\x53criptControl/i
        $add = /\.\s{0,4}(AddCode|AddObject|\x45val|ExecuteStatement)/i
        $run = /[\s:>%(=\b(\x65val|\x65xecute](\x65val|\x65xecute|\x65xecuteGlobal)\s{0,8}\(?\s{0,8}["(a-z]/i
        $build = /\b(chr|chrw|StrReverse|Replace|unescape|mid|asc|cint)\s{0,4}\(/i
    condition:
        ap_classic and ap_request and filesize < 30KB and (($control and $add) or ($run and #build >= 4))
}

rule AP_Shell_PHP_JSP_On_Exchange
{
    meta:
        title = "PHP or JSP page that runs what a request sends"
        title_zh = "执行请求内容的 PHP 或 JSP 页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "The page hands a value of the request to an evaluator or to the operating system. IIS on an Exchange server runs neither PHP nor JSP unless somebody added it; intruders also drop such files by habit."
        explain_zh = "页面把请求中的值交给求值器或操作系统执行。Exchange 服务器的 IIS 默认不运行 PHP 或 JSP，除非有人添加；入侵者也会习惯性投放。"
        origin = "public web shell collections (features)"
    strings:
        $php = /(\x65val|\x61ssert|\x73ystem|\x73hell_exec|passthru|\x65xec|create_function)\s{0,4}\(\s{0,4}[^;]{0,60}\$_(POST|GET|REQUEST|COOKIE|SERVER)/i
        $jsp = /getRuntime\s{0,4}\(\s{0,4}\)\s{0,4}\.\s{0,4}\x65xec\s{0,4}\([^;]{0,60}getParameter/i
        $tag = /<\?(php|=|\s)|<%/i
    condition:
        $tag and ($php or $jsp)
}
